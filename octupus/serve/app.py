"""The Serve application: `import_path: octupus.serve.app:build` in serve_configs/*.yaml."""

from __future__ import annotations

from typing import Any

import ray
from ray import serve
from ray.serve import Application

from octupus import versions
from octupus.chat.registry import model_chat
from octupus.config import resolve
from octupus.errors import ConfigError
from octupus.serve.config import ServeConfig
from octupus.serve.engine.vllm_engine import engine_environment
from octupus.serve.ingress.deployment import Ingress, api
from octupus.serve.engine.replica import EngineReplica


def build(args: dict[str, Any]) -> Application:
    """The application for `args`, a ServeConfig as plain values.

    GPUs are used where the cluster has them, CPUs elsewhere. Raises ConfigError, and VocabularyError when the model
    directory lacks control tokens, before anything is deployed.
    """
    versions.warn_of_mismatches()
    config = resolve(ServeConfig, args, "args of the octupus application")
    source = config.model.source.absolute()
    config = config.model_copy(update={"model": config.model.model_copy(update={"source": source})})
    model_chat(source)
    gpus = most_gpus_on_a_node()
    size = config.engine.tensor_parallel_size
    on_cpu = gpus == 0
    if not on_cpu and size > gpus:
        raise ConfigError(f"tensor_parallel_size is {size} but the largest node of this cluster has {gpus} GPUs")
    engine = serve.deployment(EngineReplica).options(
        name="EngineReplica",
        num_replicas=config.replicas.engines,
        max_ongoing_requests=config.replicas.max_ongoing_requests,
        health_check_period_s=2,
        ray_actor_options={
            "num_cpus": size if on_cpu else 1,
            "num_gpus": 0 if on_cpu else size,
            "runtime_env": {"env_vars": engine_environment(config.engine, on_cpu)},
        },
    )
    ingress = serve.deployment(serve.ingress(api)(Ingress)).options(
        name="Ingress",
        num_replicas=config.replicas.ingresses,
        max_ongoing_requests=config.replicas.max_ongoing_requests,
        ray_actor_options={"num_cpus": 0.1},
    )
    application: Application = ingress.bind(config, engine.bind(config, on_cpu))
    return application


def most_gpus_on_a_node() -> int:
    """GPUs of the best-equipped node: a replica's tensor-parallel group must fit on one."""
    return int(max((node["Resources"].get("GPU", 0) for node in ray.nodes() if node["Alive"]), default=0))
