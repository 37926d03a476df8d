"""SkyPilot tasks, from what a job or a serve application asks and what the cluster is.

Field names are those of SkyPilot's YAML specification (docs.skypilot.co, 2026). Its nodes are all alike, so Ray's head
is the first of the workers.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from octupus.clusters.config import ALL_INTERFACES, RUNTIME_ENV_FILE, ClusterConfig
from octupus.clusters.demand import Job, Service
from octupus.clusters.dump import as_yaml
from octupus.clusters.sky_scripts import run_script, setup_script
from octupus.errors import ConfigError

TOKEN = "RAY_AUTH_TOKEN"
"""Secret that all nodes of Ray share; without it whoever reaches a node can run code there."""
STARTING_S = 1800
"""How long SkyServe waits for the first answer: the machine's setup, and loading the model."""
SERVE_FILE = "~/octupus-serve.yaml"


def sky_job(cluster: ClusterConfig, job: Job) -> dict[str, Any]:
    """The task of a job: `sky jobs launch` recovers it from preemption. Raises ConfigError.

    A bucket that is mounted shows what another node wrote only after its upload. So checkpoints, which all nodes write
    and read, go to the bucket by its URL, and data is prepared on one node.
    """
    flags = list(job.flags)
    if job.storage is not None and "://" not in job.storage:
        _bucket(cluster)
        flags += ["--run.storage", cluster.storage.url_of(job.storage)]
    command = shlex.join(["python", str(job.script), str(job.file), *flags])
    nodes = 1 if job.storage is None else job.nodes.max
    work = f"ray job submit --address http://127.0.0.1:8265 --runtime-env {RUNTIME_ENV_FILE} -- {command}"
    resources = _resources(cluster, job.needs_gpus)
    resources["job_recovery"] = {"max_restarts_on_errors": cluster.resubmissions}
    return _task(
        cluster, f"{cluster.name}-{job.name}", nodes, resources, cluster.secrets.environment, run_script("", work)
    )


def sky_service(cluster: ClusterConfig, service: Service) -> dict[str, Any]:
    """The task of a serve application. Where it listens on the network it is a service for `sky serve up`.

    One replica of SkyServe is one Ray cluster, which itself holds the application's replicas. Raises ConfigError for an
    endpoint that is open to the network without keys.
    """
    open_to_network = cluster.serving.listen == ALL_INTERFACES
    secrets = list(cluster.secrets.environment)
    application = service.block["applications"][0]
    arguments = dict(application["args"])
    if open_to_network and not service.has_keys:
        variable = cluster.secrets.api_keys_variable
        if variable is None:
            raise ConfigError(
                f"serving.listen {ALL_INTERFACES} opens the endpoint to the network, but nothing asks for keys; set "
                "secrets.api_keys_variable to the name of a SkyPilot secret, or listen on 127.0.0.1 and reach it by "
                "ssh -L"
            )
        secrets.append(variable)
        arguments["access"] = {**arguments.get("access", {}), "api_keys_variable": variable}
    block = as_yaml({**service.block, "applications": [{**application, "args": arguments}]})
    resources = _resources(cluster, service.needs_gpus)
    front = f'front=$(octupus front --host {cluster.serving.listen})\neval "$front"' if cluster.serving.front else ""
    work = f"cat > {SERVE_FILE} <<'END_OF_FILE'\n{block}END_OF_FILE\nserve run {SERVE_FILE}"
    ending: dict[str, Any] = {}
    if open_to_network:
        resources["ports"] = service.port
        probe = {"path": "/health", "initial_delay_seconds": STARTING_S, "timeout_seconds": 15}
        ending["service"] = {"readiness_probe": probe, "replicas": 1}
    return _task(cluster, cluster.name, service.nodes.max, resources, secrets, run_script(front, work)) | ending


def _task(
    cluster: ClusterConfig, name: str, nodes: int, resources: dict[str, Any], secrets: Sequence[str], run: str
) -> dict[str, Any]:
    mount = str(cluster.storage.mount_path)
    return {
        "name": name,
        "workdir": ".",
        "num_nodes": nodes,
        "resources": resources,
        "envs": {"HF_HOME": f"{mount}/huggingface"},
        # Null: the value comes from the caller's environment, by --secret NAME, and is nowhere else.
        "secrets": dict.fromkeys([*secrets, TOKEN]),
        # Written through a cache on the node's disk: programs may write as they like.
        "file_mounts": {mount: {"source": _bucket(cluster), "mode": "MOUNT_CACHED"}},
        "setup": setup_script(),
        "run": run,
    }


def _resources(cluster: ClusterConfig, needs_gpus: bool) -> dict[str, Any]:
    workers = cluster.workers
    resources: dict[str, Any] = {"accelerators": f"{workers.gpu}:{workers.gpus}"} if needs_gpus else {}
    resources |= {
        "cpus": f"{workers.cpus}+",
        "memory": f"{workers.memory_gib}+",
        "disk_size": workers.ephemeral_storage_gib,
        "use_spot": workers.spot,
    }
    if cluster.sky.image is not None:
        resources["image_id"] = cluster.sky.image
    if cluster.sky.clouds:
        resources["any_of"] = [{"infra": cloud} for cloud in cluster.sky.clouds]
    return resources


def _bucket(cluster: ClusterConfig) -> str:
    if cluster.storage.bucket is None:
        raise ConfigError(
            "storage.bucket is not set: on SkyPilot nodes share storage by a bucket; give one, as s3://name or gs://name"
        )
    return cluster.storage.bucket
