"""The agent's application on 127.0.0.1 while a block runs, with tools in this process and a scripted endpoint."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

from octupus.agent.solve.solver import solve
from octupus.agent.stream.api import make_app
from octupus.agent.stream.config import AgentAppConfig
from octupus.agent.stream.service import AgentService
from octupus.agent.tools.toolbox import Toolbox
from octupus.conversation import Tool
from tests.agent.in_process_source import Function, InProcessSource, tool
from tests.agent.scripted_endpoint import ScriptedEndpoint

WITHIN_S = 30.0
Line = dict[str, Any]


def _deposit(arguments: dict[str, Any], state: Any) -> Any:
    if arguments["cents"] <= 0:
        raise ValueError("cents must be positive")
    state["balance"] += arguments["cents"]
    return {"balance": state["balance"]}


def _balance(arguments: dict[str, Any], state: Any) -> Any:
    return {"balance": state["balance"]}


TOOLS: tuple[tuple[Tool, Function], ...] = (
    (tool("deposit", "Put money in.", cents="integer"), _deposit),
    (tool("balance", "How much there is."), _balance),
)


@dataclass
class Agent:
    """The application, and what it stands on."""

    service: AgentService
    client: httpx.AsyncClient
    source: InProcessSource

    async def ask(self, **body: Any) -> list[Line]:
        """The lines of a whole stream."""
        response = await self.client.post("/stream", json=body)
        assert response.status_code == 200, response.text
        return [json.loads(line) for line in response.text.splitlines()]

    @asynccontextmanager
    async def asking(self, **body: Any) -> AsyncIterator[AsyncIterator[Line]]:
        """The lines as they come; leaving the block closes the connection."""
        async with self.client.stream("POST", "/stream", json=body) as response:
            assert response.status_code == 200

            async def lines() -> AsyncIterator[Line]:
                async for line in response.aiter_lines():
                    yield json.loads(line)

            yield lines()

    async def idle(self) -> None:
        """Wait until nothing is worked on."""
        async with asyncio.timeout(WITHIN_S):
            while self.service.running:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def agent(
    endpoint: ScriptedEndpoint,
    config: dict[str, Any] | None = None,
    solver: Any = solve,
    restorable: bool = True,
    **options: Any,
) -> AsyncIterator[Agent]:
    """An agent that asks `endpoint`, on a port of its own."""
    source = InProcessSource.of(*TOOLS, initial=lambda seed: {"balance": seed}, restorable=restorable)
    settings = AgentAppConfig.model_validate({"solver": {"method": "CoT@1"}, **(config or {})})
    service = AgentService(settings, Toolbox([source]), endpoint.client(), solver=solver, **options)
    server = uvicorn.Server(
        # With a limit, so that a run which wrongly goes on fails its test and does not hold it up.
        uvicorn.Config(make_app(service), host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=2)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        async with httpx.AsyncClient(base_url=url, timeout=WITHIN_S) as client:
            yield Agent(service, client, source)
    finally:
        server.should_exit = True
        await serving
