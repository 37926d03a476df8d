"""The engine replica as a Serve deployment: resources, number of replicas, health checks and draining."""

from __future__ import annotations

import os
import time
from typing import Any

import ray
from ray import serve
from ray.serve import Application

from octupus.errors import ConfigError
from octupus.serve.config import AutoscalingConfig, ReplicasConfig, ServeConfig
from octupus.serve.engine.arguments import engine_environment
from octupus.serve.engine.placement import Node, Placement
from octupus.serve.engine.replica import EngineReplica
from octupus.serve.routing.prefix_router import request_router_config

HEALTH_CHECK_PERIOD_S = 2.0
"""An engine process that died while nothing was asked is found within this time."""
JOINING_S = 1800.0
"""Time that nodes with GPUs have to come up: a new machine pulls an image of many GB."""
START_ATTEMPTS = 2
"""A model that does not load will not load the third time either; a port taken by chance is another the second time."""


def engine_deployment(config: ServeConfig, place: Placement) -> Application:
    """The deployment, bound to its arguments."""
    deployment: Application = (
        serve.deployment(EngineReplica).options(**engine_options(config, place)).bind(config, place)
    )
    return deployment


def engine_options(config: ServeConfig, place: Placement) -> dict[str, Any]:
    """Options of the engine's Serve deployment."""
    options = place.deployment_options()
    options["ray_actor_options"]["runtime_env"] = {"env_vars": engine_environment(config.engine, place.on_cpu)}
    return options | {
        "name": "EngineReplica",
        **scaling_options(config.replicas),
        "max_ongoing_requests": config.replicas.max_ongoing_requests,
        "graceful_shutdown_timeout_s": config.replicas.drain_timeout_s,
        "graceful_shutdown_wait_loop_s": 0.5,
        "health_check_period_s": HEALTH_CHECK_PERIOD_S,
        "health_check_timeout_s": 30,
        "max_constructor_retry_count": START_ATTEMPTS,
        "request_router_config": request_router_config(config.replicas.prefer_cached_prefix),
    }


def scaling_options(replicas: ReplicasConfig) -> dict[str, Any]:
    """How many engine replicas run: a number, or by load."""
    if isinstance(replicas.engines, AutoscalingConfig):
        return {"autoscaling_config": replicas.engines.model_dump()}
    return {"num_replicas": replicas.engines}


def nodes_of_cluster() -> list[Node]:
    """The nodes that are alive, once they have the GPUs that OCTUPUS_EXPECTED_GPUS names.

    KubeRay deploys when the head is ready, before any worker has joined. Raises ConfigError when they do not come.
    """
    expected = int(os.environ.get("OCTUPUS_EXPECTED_GPUS", "0"))
    deadline = time.monotonic() + JOINING_S
    while True:
        resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus = int(sum(each.get("GPU", 0) for each in resources))
        if gpus >= expected:
            return [Node(cpus=each.get("CPU", 0), gpus=each.get("GPU", 0)) for each in resources]
        if time.monotonic() > deadline:
            raise ConfigError(
                f"the cluster has {gpus} GPUs after {JOINING_S:.0f} s, but OCTUPUS_EXPECTED_GPUS is {expected}; look "
                "at its worker nodes"
            )
        time.sleep(1)
