"""The Serve application of an index: `import_path: octupus.agent.retrieve.deployment:build` in serve_configs/*.yaml."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from octupus import versions
from octupus.agent.retrieve.config import RetrieverAppConfig
from octupus.agent.retrieve.index import INDEX_FILE
from octupus.config import resolve
from octupus.errors import ConfigError
from octupus.telemetry import configure_logging

MAX_ONGOING_REQUESTS = 256


class RetrieverReplica:
    """Bound as a Serve deployment by `build`."""

    def __init__(self, config: RetrieverAppConfig) -> None:
        import torch

        from octupus.agent.retrieve.index import Index
        from octupus.agent.retrieve.service import make_app

        configure_logging()
        torch.set_num_threads(max(1, int(config.cpus)))
        self._app = make_app(Index.open(config.index), config.method)

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """The application; Serve asks for it once the deployment is made."""
        return self._app


def build(args: dict[str, Any]) -> Application:
    """The application for `args`, a RetrieverAppConfig as plain values.

    Raises ConfigError before anything is deployed.
    """
    versions.warn_of_mismatches()
    config = resolve(RetrieverAppConfig, args, "args of the retriever")
    index = config.index.absolute()
    if not (index / INDEX_FILE).is_file():
        raise ConfigError(f"{index} is no index; jobs/train_retriever.py --index.directory {index} builds one")
    deployment = serve.deployment(serve.ingress()(RetrieverReplica)).options(
        name="Retriever",
        num_replicas=config.replicas,
        max_ongoing_requests=MAX_ONGOING_REQUESTS,
        ray_actor_options={"num_cpus": config.cpus},
    )
    application: Application = deployment.bind(config.model_copy(update={"index": index}))
    return application
