"""Solves queries of a run with one toolbox and one client: what an actor of the job holds."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Self

from pydantic import SecretStr

from octupus.agent.environment import Environment, ResultCache
from octupus.agent.retrieve.client import RetrieverClient
from octupus.agent.solve.annotate_config import AnnotateConfig
from octupus.agent.solve.exact_record import to_record
from octupus.agent.solve.queries import Query, offered_tools
from octupus.agent.solve.solver import refuse_unfit, solve
from octupus.agent.tools.sources import open_toolbox
from octupus.agent.tools.toolbox import Toolbox
from octupus.endpoint.client import EndpointClient
from octupus.errors import OctupusError
from octupus.telemetry import event

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Annotated:
    """What came of a query: its record, or why there is none."""

    query_id: str
    record: dict[str, Any] | None = None
    """As `exact_record` has it."""
    failed: str = ""
    detail: str = ""


class Annotator:
    """`await Annotator.open(...)` makes one."""

    def __init__(
        self, config: AnnotateConfig, toolbox: Toolbox, client: EndpointClient, retriever: RetrieverClient | None
    ) -> None:
        """Takes all of them over, and closes them."""
        self._config = config
        self._toolbox = toolbox
        self._client = client
        self._retriever = retriever
        self._cache = ResultCache()

    @classmethod
    async def open(cls, config: AnnotateConfig, api_key: SecretStr | None) -> Self:
        """Start the tools. Raises ConfigError when they cannot be had, or are not fit for the method."""
        toolbox = await open_toolbox(config.tools)
        try:
            refuse_unfit(await Environment.open(toolbox, config.solver.seed), config.solver)
        except BaseException:
            await toolbox.close()
            raise
        client = EndpointClient(config.model, config.sampling, config.endpoint, api_key)
        retriever = None if config.retriever_url is None else RetrieverClient(config.retriever_url)
        return cls(config, toolbox, client, retriever)

    async def close(self) -> None:
        """End the tools and the connections."""
        if self._retriever is not None:
            await self._retriever.close()
        await self._client.close()
        await self._toolbox.close()

    async def annotate(self, query: Query) -> Annotated:
        """Solve one query. It raises nothing: what is wrong with one query is no other's business."""
        config = self._config
        try:
            retrieve = None if self._retriever is None else self._retriever.retrieve
            offered = await offered_tools(query, self._toolbox, retrieve, config.top_k)
            seed = config.solver.seed if query.seed is None else query.seed
            environment = await Environment.open(self._toolbox, seed, offered, self._cache)
            solution = await solve(query.text, environment, self._client, config.solver, query_id=query.id)
        except OctupusError as error:
            return Annotated(query.id, failed=type(error).__name__, detail=str(error))
        except Exception as error:  # noqa: BLE001  # a source of tools may be anyone's; the other queries go on
            event(logger, "annotate.query_failed", query=query.id, error=f"{type(error).__name__}: {error}")
            return Annotated(query.id, failed=type(error).__name__, detail=str(error))
        return Annotated(query.id, to_record(solution))
