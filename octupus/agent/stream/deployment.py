"""The agent as a Serve deployment: one replica with the tools in processes of its own beside it."""

from __future__ import annotations

from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from octupus.agent.stream.api import make_app
from octupus.agent.stream.config import AgentAppConfig
from octupus.agent.stream.service import AgentService
from octupus.telemetry import configure_logging

MAX_ONGOING_REQUESTS = 1000
"""Above what the service itself admits, so that it is the service that refuses, with an answer that says why."""
NUM_CPUS = 0.1
"""The agent waits, for the endpoint and for tools."""


class Agent:
    """Bound as a Serve deployment by `application`."""

    async def __init__(self, config: AgentAppConfig) -> None:  # type: ignore[misc]  # Serve awaits it
        configure_logging()
        self._app = make_app(await AgentService.open(config))

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """The application; Serve asks for it once the deployment is made."""
        return self._app


def application(config: AgentAppConfig) -> Application:
    """The application of a configuration."""
    deployment = serve.deployment(serve.ingress()(Agent)).options(
        name="Agent",
        max_ongoing_requests=MAX_ONGOING_REQUESTS,
        ray_actor_options={"num_cpus": NUM_CPUS},
    )
    bound: Application = deployment.bind(config)
    return bound
