"""KubeRay's RayJob and RayService, from what a job or a serve application asks and what the cluster is.

Field names are those of ray.io/v1 in KubeRay 1.6 and 1.7 (docs.ray.io, KubeRay CRD API reference).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from octupus.clusters.config import ALL_INTERFACES, ClusterConfig
from octupus.clusters.demand import Job, Service
from octupus.clusters.dump import as_yaml
from octupus.clusters.pods import API_KEYS_FILE, cluster_spec, drain_period_s
from octupus.errors import ConfigError

LONGEST_NAME = 47
"""Of a RayJob or RayService, from which KubeRay makes the names of its pods and Services."""
LOGS_KEPT_S = 3600
"""How long the cluster of a finished job stays, with the logs that its pods hold. Its GPUs are paid for meanwhile."""
IN_IMAGE = ("working_dir", "excludes", "py_modules")
"""Parts of clusters/runtime_env.yaml that the image makes needless: it holds the checkout with its packages."""


def ray_job(cluster: ClusterConfig, job: Job, runtime_env: Mapping[str, Any]) -> dict[str, Any]:
    """A RayJob, which makes a cluster, submits the job to it, and takes the cluster down.

    The image holds the checkout, so nothing is uploaded: what runs is what the image was built and tested as, on
    every node, and a resubmission cannot pick up a half-edited file. Raises ConfigError.
    """
    spec: dict[str, Any] = {
        "entrypoint": shlex.join(job.command),
        # A pod of its own submits the job and shows its output: kubectl logs --follow job/<name of the RayJob>.
        "submissionMode": "K8sJobMode",
        # Each retry is a new cluster; the same command goes on from the newest checkpoint.
        "backoffLimit": cluster.resubmissions,
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": LOGS_KEPT_S,
    }
    kept = {name: value for name, value in runtime_env.items() if name not in IN_IMAGE}
    if kept:
        spec["runtimeEnvYAML"] = as_yaml(kept)
    spec["rayClusterSpec"] = cluster_spec(cluster, job.nodes, job.needs_gpus, None)
    return _manifest("RayJob", cluster, f"{cluster.name}-{job.name}", spec)


def ray_service(cluster: ClusterConfig, service: Service) -> dict[str, Any]:
    """A RayService. Raises ConfigError for an endpoint that is open to the network without keys."""
    spec: dict[str, Any] = {
        "serveConfigV2": as_yaml(_with_keys(cluster, service)),
        "excludeHeadPodFromServeSvc": not service.enters_by_head,
        # After an upgrade to a new cluster, the old one finishes its answers.
        "rayClusterDeletionDelaySeconds": drain_period_s(service),
        "rayClusterConfig": cluster_spec(cluster, service.nodes, service.needs_gpus, service),
    }
    return _manifest("RayService", cluster, cluster.name, spec)


def _with_keys(cluster: ClusterConfig, service: Service) -> dict[str, Any]:
    application = service.block["applications"][0]
    arguments = dict(application["args"])
    if not service.has_keys:
        if cluster.secrets.api_keys is not None:
            arguments["access"] = {**arguments.get("access", {}), "api_keys_file": API_KEYS_FILE}
        elif cluster.serving.listen == ALL_INTERFACES:
            raise ConfigError(
                f"serving.listen {ALL_INTERFACES} opens the endpoint to the network, but nothing asks for keys; set "
                "secrets.api_keys to the name of a Kubernetes Secret, or access.api_keys_file in the serve file, or "
                "listen on 127.0.0.1 and reach it by kubectl port-forward"
            )
    return {**service.block, "applications": [{**application, "args": arguments}]}


def _manifest(kind: str, cluster: ClusterConfig, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    if len(name) > LONGEST_NAME:
        raise ConfigError(
            f"the {kind}'s name {name} has {len(name)} characters, and KubeRay takes {LONGEST_NAME}; shorten the "
            "cluster's name or run.name"
        )
    return {
        "apiVersion": "ray.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": cluster.namespace},
        "spec": spec,
    }
