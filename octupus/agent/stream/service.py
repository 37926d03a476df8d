"""What the agent's routes do: questions in, streams of events out, never more at once than the limit."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol, Self

from octupus.agent.environment import Environment, ResultCache
from octupus.agent.solve.config import SolverConfig
from octupus.agent.solve.events import Event, Listener
from octupus.agent.solve.queries import Query, Retrieve, offered_tools
from octupus.agent.solve.solver import solve
from octupus.agent.solve.tree import Solution
from octupus.agent.stream.access import ApiKeys
from octupus.agent.stream.config import AgentAppConfig
from octupus.agent.stream.request import StreamRequest
from octupus.agent.stream.run import Run, Tell
from octupus.agent.stream.wire import Wire
from octupus.agent.tools.sources import open_toolbox
from octupus.agent.tools.toolbox import Toolbox
from octupus.endpoint.client import EndpointClient
from octupus.errors import ConfigError, RequestError

RETRY_AFTER_S = 5
"""What a client is told that comes while every place is taken."""


class Solve(Protocol):
    """`octupus.agent.solve`'s solver."""

    def __call__(
        self,
        query: str,
        environment: Environment,
        client: EndpointClient,
        config: SolverConfig,
        listener: Listener,
        query_id: str,
    ) -> Awaitable[Solution]:
        """Work on a query."""
        ...


class AgentService:
    """One replica of the agent."""

    def __init__(
        self,
        config: AgentAppConfig,
        toolbox: Toolbox,
        client: EndpointClient,
        retrieve: Retrieve | None = None,
        solver: Solve = solve,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Takes `toolbox` and `client` over, and closes them. Raises ConfigError."""
        self.config = config
        self.keys = ApiKeys(config.access, os.environ if variables is None else variables)
        self.running = 0
        self._toolbox = toolbox
        self._client = client
        self._solve: Solve = solver
        self._retrieve = retrieve
        self._cache = ResultCache()
        self._methods = [method for method in config.methods if self._fits(method)]
        if config.solver.method not in self._methods:
            raise ConfigError(
                f"solver.method {config.solver.method} goes back to earlier states, but some of the tools keep theirs "
                "elsewhere; take CoT@1, leave those tools out, or set solver.allow_unrestorable"
            )

    @classmethod
    async def open(cls, config: AgentAppConfig) -> Self:
        """The service with its tools started. Raises ConfigError."""
        from octupus.agent.stream.retrieval import retriever

        client = EndpointClient(config.model, config.sampling, config.endpoint, config.endpoint.api_key())
        toolbox = await open_toolbox(config.tools)
        try:
            return cls(config, toolbox, client, retriever(config, toolbox))
        except ConfigError:
            await toolbox.close()
            raise

    async def close(self) -> None:
        """End the tools, and the connections to the endpoint."""
        await self._toolbox.close()
        await self._client.close()

    def tools(self) -> dict[str, Any]:
        """The tools with their schemas, and whether a retriever chooses among them."""
        tools = [
            {**entry.tool.model_dump(), "category": entry.category, "collection": entry.collection}
            for entry in self._toolbox.entries
        ]
        return {"tools": tools, "retrieval": self._retrieve is not None, "restorable": self._toolbox.restorable}

    def methods(self) -> dict[str, Any]:
        """The methods that a request may name, and the one it gets otherwise."""
        return {"methods": self._methods, "default": self.config.solver.method}

    def stream(self, request: StreamRequest) -> Run:
        """The run of a question, which holds a place until its work ends. Raises RequestError when it is refused."""
        limits = self.config.limits
        if len(request.text) > limits.max_text_characters:
            message = f"text: {len(request.text)} characters are more than the {limits.max_text_characters} allowed"
            raise RequestError(message, "text")
        if request.top_k is not None and request.top_k > limits.max_top_k:
            raise RequestError(f"top_k: must be at most {limits.max_top_k}", "top_k")
        solver = self._solver(request)
        if self.running >= limits.max_concurrent_runs:
            raise RequestError(
                f"{self.running} questions are being worked on, as many as this server takes; "
                f"try again in {RETRY_AFTER_S} s",
                code="overloaded",
                status=429,
                headers={"retry-after": str(RETRY_AFTER_S)},
            )
        self.running += 1
        wire = Wire(self._toolbox)

        async def work(tell: Tell) -> Solution:
            return await self._work(request.text, request.top_k or self.config.top_k, solver, wire, tell)

        return Run(work, wire, limits.max_runtime_s, self._ended)

    def _fits(self, method: str) -> bool:
        """Whether the tools' states can be gone back to, if the method does that."""
        solver = self.config.solver
        goes_back = solver.model_copy(update={"method": method}).goes_back
        return self._toolbox.restorable or solver.allow_unrestorable or not goes_back

    def _ended(self) -> None:
        self.running -= 1

    def _solver(self, request: StreamRequest) -> SolverConfig:
        method = request.method or self.config.solver.method
        if method not in self._methods:
            raise RequestError(f"method: {method!r} is unknown; choose one of {', '.join(self._methods)}", "method")
        chosen = {"method": method} if request.seed is None else {"method": method, "seed": request.seed}
        return self.config.solver.model_copy(update=chosen)

    async def _work(self, text: str, top_k: int, solver: SolverConfig, wire: Wire, tell: Tell) -> Solution:
        def listen(event: Event) -> None:
            if event.name != "on_request_end":  # the run's last line says more
                tell(wire.line(event))

        # Equal questions with equal seeds are worked on alike, so their id follows from the text.
        query = Query(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16], text)
        offered = await offered_tools(query, self._toolbox, self._retrieve, top_k, listen)
        environment = await Environment.open(self._toolbox, solver.seed, offered, self._cache)
        return await self._solve(text, environment, self._client, solver, listen, query.id)
