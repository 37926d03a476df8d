"""Where a replica's processes go: one node or several, CPUs or GPUs, decided from what the cluster's nodes have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from octupus.errors import ConfigError
from octupus.serve.config import EngineConfig


@dataclass(frozen=True)
class Node:
    """What one node of the cluster has in all, used or free."""

    cpus: float = 0
    gpus: float = 0


@dataclass(frozen=True)
class Placement:
    """How one replica is placed."""

    on_cpu: bool
    executor: Literal["mp", "ray"]
    """vLLM's distributed_executor_backend."""
    num_cpus: int
    """CPUs of the replica's actor."""
    num_gpus: int
    """GPUs of the replica's actor; none where each worker has its own bundle."""
    bundles: tuple[dict[str, float], ...] = ()
    """One bundle a GPU for Ray's executor; the replica's actor sits in the first. Empty for mp."""

    def deployment_options(self) -> dict[str, Any]:
        """Options of the Serve deployment, but for the actor's runtime environment."""
        options: dict[str, Any] = {"ray_actor_options": {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus}}
        if self.bundles:
            options["placement_group_bundles"] = [dict(bundle) for bundle in self.bundles]
            options["placement_group_strategy"] = "PACK"  # tensor-parallel ranks talk in every layer
        return options


def placement(engine: EngineConfig, nodes: Sequence[Node]) -> Placement:
    """Place `tensor_parallel_size` x `pipeline_parallel_size` workers.

    GPUs are used where the cluster has any. Raises ConfigError when the workers do not fit, and says what the cluster
    has.
    """
    workers = engine.tensor_parallel_size * engine.pipeline_parallel_size
    if not any(node.gpus >= 1 for node in nodes):
        return _on_cpus(engine, workers, nodes)
    gpus = [int(node.gpus) for node in nodes]
    asked = f"a replica needs {_product(engine, workers)} GPUs"
    if workers > sum(gpus):
        raise ConfigError(f"{asked}, but {_gpus(gpus)}; lower tensor_parallel_size or pipeline_parallel_size")
    backend = engine.distributed_executor_backend
    if backend == "auto":
        backend = "mp" if workers <= max(gpus) else "ray"
    if backend == "mp":
        if workers > max(gpus):
            raise ConfigError(
                f"{asked} on one node, as distributed_executor_backend mp wants, but {_gpus(gpus)}; "
                "set distributed_executor_backend to ray or auto"
            )
        return Placement(False, "mp", num_cpus=1, num_gpus=workers)
    # vLLM starts a worker in each bundle with a GPU, and wants the replica beside one of them.
    bundle: dict[str, float] = {"CPU": 1, "GPU": 1}
    return Placement(False, "ray", num_cpus=1, num_gpus=0, bundles=(bundle,) * workers)


def _on_cpus(engine: EngineConfig, workers: int, nodes: Sequence[Node]) -> Placement:
    if engine.distributed_executor_backend == "ray":
        raise ConfigError(
            "distributed_executor_backend ray needs GPUs: vLLM's Ray executor does not support CPUs, "
            "and this cluster has no GPU; set it to auto or mp"
        )
    most = int(max((node.cpus for node in nodes), default=0))
    if workers > most:
        raise ConfigError(
            f"a replica needs {_product(engine, workers)} processes on one node, one CPU each, as this cluster has no "
            f"GPU, but its largest node has {most} CPUs; lower tensor_parallel_size or pipeline_parallel_size"
        )
    return Placement(True, "mp", num_cpus=workers, num_gpus=0)


def _product(engine: EngineConfig, workers: int) -> str:
    tensor, pipeline = engine.tensor_parallel_size, engine.pipeline_parallel_size
    if pipeline == 1:
        return f"{workers} (tensor_parallel_size)"
    return f"{workers} (tensor_parallel_size {tensor} x pipeline_parallel_size {pipeline})"


def _gpus(gpus: Sequence[int]) -> str:
    having = sorted((count for count in gpus if count), reverse=True)
    return (
        f"this cluster has {sum(gpus)} in all, {max(gpus)} on its largest node (by node: {', '.join(map(str, having))})"
    )
