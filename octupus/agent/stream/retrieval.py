"""Which tools a question is offered, where the toolbox holds more than a request should: the nearest ones."""

from __future__ import annotations

from octupus.agent.retrieve.bm25 import Bm25
from octupus.agent.retrieve.client import RetrieverClient
from octupus.agent.retrieve.index import documents_of
from octupus.agent.solve.queries import Retrieve
from octupus.agent.stream.config import AgentAppConfig
from octupus.agent.tools.toolbox import Toolbox


def retriever(config: AgentAppConfig, toolbox: Toolbox) -> Retrieve | None:
    """What chooses the tools; None where all are offered."""
    if config.offer == "all":
        return None
    if config.retriever_url is not None:
        return RetrieverClient(config.retriever_url, only=[entry.name for entry in toolbox.entries]).retrieve
    by_words = Bm25(documents_of(toolbox))

    async def retrieve(text: str, top_k: int) -> list[str]:
        return [name for name, _ in by_words.rank(text, top_k)]

    return retrieve
