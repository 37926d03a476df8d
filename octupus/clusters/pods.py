"""The pods of a Ray cluster on Kubernetes, as a RayJob and a RayService hold them in common."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from octupus.clusters.config import ClusterConfig
from octupus.clusters.demand import Nodes, Service
from octupus.errors import ConfigError
from octupus.serve.front.environment import LAUNCHER, front_environment
from octupus.versions import TESTED

IMAGE_USER = 1000
"""User and group of the image that clusters/Dockerfile makes."""
IMAGE_PROJECT = "/opt/octupus"
"""Where the image holds the checkout."""
IMAGE_PROGRAMS = "/opt/venv/bin"
"""Where the image holds what pip installed."""
KEYS_DIRECTORY = "/etc/octupus"
API_KEYS_FILE = f"{KEYS_DIRECTORY}/api_keys"
SHARED_MEMORY_SHARE = 0.4
"""Of a worker's memory: Ray's object store takes 0.3 of the node; what NCCL and vLLM's processes share comes on top."""
EXPECTED_GPUS = "OCTUPUS_EXPECTED_GPUS"
"""Read where the application is built: GPUs to wait for, since KubeRay deploys it as soon as the head is up."""
GPU_RESOURCE = "nvidia.com/gpu"
RAYLET_ANSWERS = "wget -q -t 1 -T 2 -O - http://localhost:52365/api/local_raylet_healthz | grep success"


def cluster_spec(cluster: ClusterConfig, nodes: Nodes, needs_gpus: bool, service: Service | None) -> dict[str, Any]:
    """The RayClusterSpec. `service` is None for a job."""
    spec: dict[str, Any] = {
        "rayVersion": TESTED["ray"],
        # Without a token whoever reaches the dashboard's port can run code that sees the secrets.
        "authOptions": {"mode": "token"},
    }
    if nodes.min != nodes.max:
        spec["enableInTreeAutoscaling"] = True
    environment = _environment(cluster, service, nodes.min * cluster.workers.gpus)
    head = {"cpu": str(cluster.head.cpus), "memory": f"{cluster.head.memory_gib}Gi"}
    spec["headGroupSpec"] = {
        "rayStartParams": {"num-cpus": "0"},  # no work beside Ray's control processes
        "template": {"spec": _pod("ray-head", cluster, head, service, environment)},
    }
    spec["workerGroupSpecs"] = [
        {
            "groupName": "gpu" if needs_gpus else "cpu",
            "replicas": nodes.min,
            "minReplicas": nodes.min,
            "maxReplicas": nodes.max,
            "rayStartParams": {},
            "template": {"spec": _worker(cluster, needs_gpus, service, environment)},
        }
    ]
    return spec


def drain_period_s(service: Service | None) -> int:
    """How long a worker that is being taken away may go on."""
    # A 7B's checkpoint: 14 s to the node's disk and 21 s to storage of 5 GB/s, by benchmarks/cluster_scaling.
    return 120 if service is None else int(service.config.replicas.drain_timeout_s)


def _worker(
    cluster: ClusterConfig, needs_gpus: bool, service: Service | None, environment: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    workers = cluster.workers
    limits = {
        "cpu": str(workers.cpus),
        "memory": f"{workers.memory_gib}Gi",
        "ephemeral-storage": f"{workers.ephemeral_storage_gib}Gi",
    }
    if needs_gpus:
        limits[GPU_RESOURCE] = str(workers.gpus)
    pod = _pod("ray-worker", cluster, limits, service, environment)
    container = pod["containers"][0]
    if service is not None and service.block.get("proxy_location") == "HeadOnly":
        # KubeRay's own probe also asks the node's proxy, and there is none.
        container["readinessProbe"] = {"exec": {"command": ["bash", "-c", RAYLET_ANSWERS]}, "periodSeconds": 5}
    container["lifecycle"] = {"preStop": {"exec": {"command": ["bash", "-c", _leaving(service)]}}}
    container["volumeMounts"] += [
        {"name": "shared-memory", "mountPath": "/dev/shm"},
        {"name": "scratch", "mountPath": "/tmp"},
    ]
    shared = int(workers.memory_gib * SHARED_MEMORY_SHARE)
    pod["volumes"] += [
        {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": f"{shared}Gi"}},
        # Ray's session with what it spills, and temporary files.
        {"name": "scratch", "emptyDir": {"sizeLimit": f"{workers.ephemeral_storage_gib * 9 // 10}Gi"}},
    ]
    pod["terminationGracePeriodSeconds"] = drain_period_s(service) + 30
    if needs_gpus and workers.node_selector:
        pod["nodeSelector"] = dict(workers.node_selector)
    if needs_gpus and workers.tolerate_gpu_taint:
        pod["tolerations"] = [{"key": GPU_RESOURCE, "operator": "Exists", "effect": "NoSchedule"}]
    return pod


def _pod(
    container: str,
    cluster: ClusterConfig,
    limits: Mapping[str, str],
    service: Service | None,
    environment: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """A pod of one container. Requests equal limits, so that nothing else is squeezed in; probes are KubeRay's own."""
    mount = str(cluster.storage.mount_path)
    main: dict[str, Any] = {
        "name": container,
        "image": cluster.image,
        "workingDir": IMAGE_PROJECT,
        "env": list(environment),
        "resources": {"limits": dict(limits), "requests": dict(limits)},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "storage", "mountPath": mount}],
    }
    volumes: list[dict[str, Any]] = [{"name": "storage", "persistentVolumeClaim": {"claimName": _claim(cluster)}}]
    if service is not None:
        main["ports"] = [{"containerPort": service.port, "name": "serve"}]
        if cluster.secrets.api_keys is not None:
            main["volumeMounts"].append({"name": "keys", "mountPath": KEYS_DIRECTORY, "readOnly": True})
            volumes.append({"name": "keys", "secret": {"secretName": cluster.secrets.api_keys}})
    return {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": IMAGE_USER,
            "runAsGroup": IMAGE_USER,
            "fsGroup": IMAGE_USER,
            "fsGroupChangePolicy": "OnRootMismatch",  # not file by file over all of the storage at every start
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [main],
        "volumes": volumes,
    }


def _environment(cluster: ClusterConfig, service: Service | None, gpus: int) -> list[dict[str, Any]]:
    """The same for head and workers: a serve application may be built on any node."""
    # What one node downloads from the hub, the others read.
    variables = {"HF_HOME": f"{cluster.storage.mount_path}/huggingface"}
    if service is not None and gpus:
        variables[EXPECTED_GPUS] = str(gpus)
    if service is not None and cluster.serving.front:
        variables |= front_of_image(cluster.serving.listen)
    secrets = [
        {
            "name": name,
            "valueFrom": {"secretKeyRef": {"name": cluster.secrets.kubernetes, "key": name, "optional": True}},
        }
        for name in cluster.secrets.environment
    ]
    return [_variable(name, value) for name, value in variables.items()] + secrets


def front_of_image(listen: str) -> dict[str, str]:
    """`octupus front`, with the places of the image instead of this machine's."""
    environment = front_environment(listen)
    ours, theirs = f"octupus-haproxy-{os.getuid()}", f"octupus-haproxy-{IMAGE_USER}"
    environment = {name: value.replace(f"/tmp/{ours}", f"/tmp/{theirs}") for name, value in environment.items()}
    return environment | {"RAY_SERVE_HAPROXY_BINARY_PATH": str(Path(IMAGE_PROGRAMS, LAUNCHER))}


def _leaving(service: Service | None) -> str:
    """What a worker does when Kubernetes takes it away: it tells Ray, and waits until its work is over.

    A training run then writes a checkpoint, and its loss counts as preemption; Serve starts replicas elsewhere, while
    these finish their answers.
    """
    period = drain_period_s(service)
    working = "^ray::RayTrainWorker" if service is None else "^ray::ServeReplica:"
    told = (
        "timeout 20 ray drain-node --reason DRAIN_NODE_REASON_PREEMPTION --reason-message 'the pod is deleted' "
        f"--deadline-remaining-seconds {period} || true"
    )
    still = f"while pgrep -f {working} > /dev/null; do sleep 1; done"
    return f"{told}; timeout {period} bash -c '{still}' || true"


def _variable(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value}


def _claim(cluster: ClusterConfig) -> str:
    if cluster.storage.claim is None:
        raise ConfigError(
            "storage.claim is not set: on Kubernetes nodes share storage by a PersistentVolumeClaim of access mode "
            "ReadWriteMany; make one, and give its name"
        )
    return cluster.storage.claim
