"""What a job or a serve application asks of a cluster, and whether the cluster has it. Starts nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from octupus.clusters.config import ALL_INTERFACES, ClusterConfig
from octupus.config import load, read_yaml, resolve
from octupus.data.config import PrepareConfig
from octupus.errors import ConfigError
from octupus.serve.config import AutoscalingConfig, ServeConfig
from octupus.serve.engine.placement import Node, placement
from octupus.train.cluster import WORKERS_ON_CPU
from octupus.train.config import StageConfig, WorkerRange, indivisible

APPLICATION = "octupus.serve.app:build"
DEFAULT_PORT = 8000


@dataclass(frozen=True)
class Nodes:
    """How many worker nodes are there from the start, and at most."""

    min: int
    max: int


@dataclass(frozen=True)
class Job:
    """A job as it is submitted."""

    name: str
    script: PurePosixPath
    """Path in the checkout."""
    file: PurePosixPath
    flags: tuple[str, ...]
    nodes: Nodes
    needs_gpus: bool
    storage: str | None
    """Where a training run keeps checkpoints: the one place that may be a URL."""

    @property
    def command(self) -> tuple[str, ...]:
        """The words of the command line, run in the checkout."""
        return ("python", str(self.script), str(self.file), *self.flags)


@dataclass(frozen=True)
class Service:
    """A serve application as it is deployed."""

    block: Mapping[str, Any]
    """The serve file, with the model and the interface of this cluster, and without keys of its own."""
    file: PurePosixPath
    config: ServeConfig
    """The application's arguments, with the model of this cluster."""
    nodes: Nodes
    needs_gpus: bool

    @property
    def port(self) -> int:
        """Port of the endpoint."""
        return int(self.block["http_options"]["port"])

    @property
    def enters_by_head(self) -> bool:
        """Whether requests come in at the head: its proxy is the only one, or the ingresses are there."""
        return self.block.get("proxy_location") == "HeadOnly" or self.config.replicas.ingresses_on == "head"

    @property
    def has_keys(self) -> bool:
        """Whether the serve file itself asks for API keys."""
        access = self.config.access
        return access.api_keys_file is not None or access.api_keys_variable is not None


def read_demand(file: Path, flags: Sequence[str], cluster: ClusterConfig) -> Job | Service:
    """What the file asks for; `flags` are dotted flags of a job.

    Raises ConfigError, with the remedy, for what the cluster does not have, and for files that no cluster runs.
    """
    if "applications" in read_yaml(file):
        if flags:
            raise ConfigError(f"{file} is a serve file: --job.* flags are for jobs; change the file, or --serving.*")
        return read_service(file, cluster)
    return read_job(file, flags, cluster)


def read_job(file: Path, flags: Sequence[str], cluster: ClusterConfig) -> Job:
    """As `read_demand`, for a job's configuration."""
    place = inside_checkout(file)
    if file.stem.startswith("prepare"):
        prepare = load(PrepareConfig, arguments=[str(file), *flags])
        require_shared(cluster, _paths_of_preparation(prepare), file)
        nodes = Nodes(cluster.workers.min, cluster.workers.max)
        script = _script(file, "prepare_data.py")
        return Job(_label(file.stem), script, place, tuple(flags), nodes, False, None)
    if file.stem.startswith("train"):
        stage = load(StageConfig, arguments=[str(file), *flags])
        require_shared(cluster, _paths_of_stage(stage), file, storage=stage.run.storage)
        nodes = nodes_for_training(stage, cluster)
        script = _script(file, "train_stg2.py")
        needs_gpus = cluster.workers.gpus > 0
        return Job(_label(stage.run.name), script, place, tuple(flags), nodes, needs_gpus, stage.run.storage)
    raise ConfigError(
        f"{file} is nothing that can be rendered: only the files of jobs that prepare data (prepare*.yaml) or train "
        "(train*.yaml), and serve files, can be"
    )


def read_service(file: Path, cluster: ClusterConfig) -> Service:
    """As `read_demand`, for a serve file."""
    place = inside_checkout(file)
    block = read_yaml(file)
    applications = block["applications"]
    if len(applications) != 1 or applications[0].get("import_path") != APPLICATION:
        raise ConfigError(f"{file} must have one application, with import_path {APPLICATION}")
    arguments = dict(applications[0].get("args", {}))
    if cluster.serving.model is not None:
        arguments["model"] = {**arguments.get("model", {}), "source": str(cluster.serving.model)}
    config = resolve(ServeConfig, arguments, str(file))
    paths = {"model.source": config.model.source, "adapters.directory": config.adapters.directory}
    require_shared(cluster, {**paths, "access.api_keys_file": config.access.api_keys_file}, file)
    http = {"port": DEFAULT_PORT, **block.get("http_options", {}), "host": cluster.serving.listen}
    nodes = nodes_for_serving(config, cluster)
    if cluster.serving.front and cluster.serving.listen != ALL_INTERFACES and nodes.max > 1:
        raise ConfigError(
            f"serving.listen is {cluster.serving.listen}, but HAProxy asks replicas of other nodes over the network, "
            f"and there may be {nodes.max} nodes; set serving.listen to {ALL_INTERFACES}, or serving.front to false"
        )
    changed = {**block, "http_options": http, "applications": [{**applications[0], "args": arguments}]}
    return Service(changed, place, config, nodes, cluster.workers.gpus > 0)


def nodes_for_training(stage: StageConfig, cluster: ClusterConfig) -> Nodes:
    """The nodes that hold the stage's workers, each with one GPU where nodes have any. Raises ConfigError."""
    workers, scaling = cluster.workers, stage.scaling
    if workers.gpus == 0 and stage.engine.dtype == "bfloat16":
        raise ConfigError(
            f"run {stage.run.name} trains in bfloat16, but workers.gpus is 0: a node type without GPUs; choose one "
            "with GPUs (workers.gpu, workers.gpus), or set engine.dtype to float32"
        )
    fitting = workers.cpus // scaling.cpus_per_worker
    of_node = min(workers.gpus, fitting) if workers.gpus else fitting
    most = workers.max * of_node
    asked = scaling.workers
    if asked == "auto":
        asked = workers.max * workers.gpus or WORKERS_ON_CPU
    fewest, largest = (asked.min, asked.max) if isinstance(asked, WorkerRange) else (asked, asked)
    if fewest > most:
        raise ConfigError(
            f"run {stage.run.name} asks for {fewest} workers, but the cluster holds {most}: {workers.max} nodes "
            f"(workers.max) of {workers.gpus} GPUs and {workers.cpus} CPUs, with {scaling.cpus_per_worker} CPUs a "
            "worker; raise workers.max, or lower scaling.workers or scaling.cpus_per_worker"
        )
    if fewest == largest:
        complaint = indivisible(stage.data.packs_per_step, fewest)
        if complaint:
            raise ConfigError(f"run {stage.run.name}: {complaint}; or change workers.max or workers.gpus")
    highest = _ceil(min(largest, most), of_node)
    # A number of workers is waited for only where the run says that its cluster grows.
    grows = scaling.autoscaling and fewest == largest
    return Nodes(min(workers.min, highest) if grows else _ceil(fewest, of_node), highest)


def nodes_for_serving(config: ServeConfig, cluster: ClusterConfig) -> Nodes:
    """The nodes that hold the engine replicas. Raises ConfigError, as the application itself would when it is built."""
    workers, engines = cluster.workers, config.replicas.engines
    every_node = [Node(workers.cpus, workers.gpus)] * workers.max
    placed = placement(config.engine, every_node)
    fewest, most = (
        (engines.min_replicas, engines.max_replicas) if isinstance(engines, AutoscalingConfig) else (engines, engines)
    )

    def needed(replicas: int) -> int:
        if placed.bundles:
            return _ceil(replicas * len(placed.bundles), workers.gpus)
        of_node = workers.cpus // placed.num_cpus if placed.on_cpu else workers.gpus // placed.num_gpus
        return _ceil(replicas, of_node)

    if needed(most) > workers.max:
        unit = f"{placed.num_cpus} CPUs" if placed.on_cpu else f"{placed.num_gpus or len(placed.bundles)} GPUs"
        raise ConfigError(
            f"{most} engine replicas of {unit} need {needed(most)} nodes, but workers.max is {workers.max}; raise "
            "workers.max, or lower replicas.engines"
        )
    return Nodes(max(workers.min, needed(fewest)), max(workers.min, needed(most)))


def require_shared(
    cluster: ClusterConfig, paths: Mapping[str, Path | None], file: Path, storage: str | None = None
) -> None:
    """Raises ConfigError for a path that nodes would not share. `storage`, of a training run, may be a URL."""
    named = {name: str(path) for name, path in paths.items() if path is not None}
    if storage is not None and "://" not in storage:
        named["run.storage"] = storage
    for name, path in named.items():
        if not cluster.storage.holds(path):
            url = ", or a URL such as s3://bucket/runs" if name == "run.storage" else ""
            raise ConfigError(
                f"{name} {path} (in {file}) is not below storage.mount_path {cluster.storage.mount_path}, so nodes "
                f"would not share it; give a path there{url}, or mount the storage where the path is"
            )


def inside_checkout(file: Path) -> PurePosixPath:
    """The file's path in the checkout, which the working directory is. Raises ConfigError for another file."""
    root = Path.cwd()
    try:
        return PurePosixPath(file.resolve().relative_to(root.resolve()).as_posix())
    except ValueError as error:
        raise ConfigError(f"{file} is not in {root}; a cluster runs what the checkout holds: put it there") from error


def _paths_of_stage(stage: StageConfig) -> dict[str, Path | None]:
    evaluation = stage.evaluation.directory if stage.evaluation else None
    return {
        "model": stage.model,
        "data.directory": stage.data.directory,
        "evaluation.directory": evaluation,
        "export": stage.export,
    }


def _paths_of_preparation(prepare: PrepareConfig) -> dict[str, Path | None]:
    paths: dict[str, Path | None] = {"model": prepare.model, "output": prepare.output}
    paths |= {f"sources.{at}.path": source.path for at, source in enumerate(prepare.sources)}
    return paths | {f"evaluation_sets.{at}.path": each.path for at, each in enumerate(prepare.evaluation_sets)}


def _script(file: Path, default: str) -> PurePosixPath:
    """The job's script: that of the same name, where there is one."""
    own = file.with_suffix(".py")
    return inside_checkout(own) if own.is_file() else PurePosixPath("jobs", default)


def _label(name: str) -> str:
    """A name as Kubernetes takes it."""
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in name.lower()).split())


def _ceil(count: int, divisor: int) -> int:
    return -(-count // divisor)
