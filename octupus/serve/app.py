"""The Serve application: `import_path: octupus.serve.app:build` in serve_configs/*.yaml."""

from __future__ import annotations

from typing import Any

from ray import serve
from ray.serve import Application

from octupus import versions
from octupus.chat.registry import model_chat
from octupus.config import resolve
from octupus.errors import ConfigError
from octupus.serve.config import ServeConfig
from octupus.serve.engine.arguments import check_engine_kwargs, vllm_lora_rank
from octupus.serve.engine.deployment import HEALTH_CHECK_PERIOD_S, engine_deployment, nodes_of_cluster
from octupus.serve.engine.placement import placement
from octupus.serve.ingress.deployment import Ingress

INGRESS_ONGOING_REQUESTS = 10_000
"""Above what the ingress's own gate admits, so that it is the gate that refuses, with an answer that says why."""

INGRESS_RESOURCES: dict[str, dict[str, Any]] = {
    # Ray gives its head one of this resource. The head of a cluster has no CPUs to give.
    "head": {"num_cpus": 0, "resources": {"node:__internal_head__": 0.001}},
    "any": {"num_cpus": 0.1},
}


def build(args: dict[str, Any]) -> Application:
    """The application for `args`, a ServeConfig as plain values.

    GPUs are used where the cluster has them, CPUs elsewhere. Raises ConfigError, and VocabularyError when the model
    directory lacks control tokens, before anything is deployed.
    """
    versions.warn_of_mismatches()
    config = checked(resolve(ServeConfig, args, "args of the octupus application"))
    engine = engine_deployment(config, placement(config.engine, nodes_of_cluster()))
    ingress = serve.deployment(serve.ingress()(Ingress)).options(
        name="Ingress",
        num_replicas=config.replicas.ingresses,
        max_ongoing_requests=INGRESS_ONGOING_REQUESTS,
        # A new ingress is up before an old one is stopped: where there is one alone, requests would wait for it.
        max_surge_percent=100,
        graceful_shutdown_timeout_s=config.replicas.drain_timeout_s,
        health_check_period_s=HEALTH_CHECK_PERIOD_S,
        ray_actor_options=INGRESS_RESOURCES[config.replicas.ingresses_on],
    )
    application: Application = ingress.bind(config, engine)
    return application


def checked(config: ServeConfig) -> ServeConfig:
    """The configuration with absolute paths.

    Raises ConfigError for what vLLM would refuse, and VocabularyError for a model without its dialect's control tokens.
    """
    check_engine_kwargs(config.engine.engine_kwargs)
    vllm_lora_rank(config.adapters.max_lora_rank)
    source = config.model.source.absolute()
    model_chat(source)
    directory = config.adapters.directory
    if directory is not None:
        directory = directory.absolute()
        if not directory.is_dir():
            raise ConfigError(f"adapters.directory {directory} is no directory; make it, it may be empty")
    keys = config.access.api_keys_file
    return config.model_copy(
        update={
            "model": config.model.model_copy(update={"source": source}),
            "adapters": config.adapters.model_copy(update={"directory": directory}),
            "access": config.access.model_copy(update={"api_keys_file": keys.absolute() if keys else None}),
        }
    )
