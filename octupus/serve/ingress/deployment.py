"""The ingress as a Serve deployment: a service in front of the engine replicas, behind the edge."""

from __future__ import annotations

import asyncio
import os

from fastapi import FastAPI
from ray.serve.handle import DeploymentHandle

from octupus.chat.registry import model_chat
from octupus.serve.answers.responses import build_types
from octupus.serve.config import ServeConfig
from octupus.serve.ingress.access_log import configure_access_log
from octupus.serve.ingress.api import build_api
from octupus.serve.ingress.edge import Edge, EdgeMiddleware
from octupus.serve.ingress.replicas import ServeReplicas
from octupus.serve.ingress.scrape import metrics_text
from octupus.serve.ingress.service import Service
from octupus.telemetry import configure_logging


class Ingress:
    """Bound as a Serve deployment by `octupus.serve.app`."""

    async def __init__(self, config: ServeConfig, engine: DeploymentHandle) -> None:  # type: ignore[misc]  # Serve awaits it
        configure_logging()
        configure_access_log()
        edge = Edge.from_config(config, os.environ)
        replicas = ServeReplicas(engine)
        chat = model_chat(config.model.source)
        max_model_len = await replicas.max_model_len()
        # Off the loop: tables of the whole vocabulary are built.
        service = await asyncio.to_thread(Service, config, chat, replicas, max_model_len)
        await asyncio.to_thread(build_types)
        self._api = build_api(service, metrics_text, config.access.page)
        self._api.add_middleware(EdgeMiddleware, edge=lambda: edge)

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """The application; Serve asks for it once the deployment is made."""
        return self._api
