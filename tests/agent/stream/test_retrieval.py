"""Which tools a question is offered when the service chooses them itself."""

import asyncio

from octupus.agent.stream.config import AgentAppConfig
from octupus.agent.stream.retrieval import retriever
from octupus.agent.stream.service import AgentService
from octupus.agent.tools.toolbox import Toolbox
from tests.agent.in_process_source import InProcessSource, tool

NAMES = ("convert_unit", "transfer_money", "book_flight", "which_bin")
ABOUT = ("Convert a length or weight.", "Send money to an account.", "Book a flight.", "电池应该扔进哪个垃圾桶")


def toolbox() -> Toolbox:
    tools = [tool(name, about) for name, about in zip(NAMES, ABOUT, strict=True)]
    return Toolbox([InProcessSource.of(*((each, lambda given, state: given) for each in tools))])


def test_the_nearest_tools_by_words_come_first() -> None:
    retrieve = retriever(AgentAppConfig(), toolbox())
    assert retrieve is not None
    for name, question in zip(
        NAMES, ("Convert my weight", "send all my money", "I need a flight to Rome", "电池扔哪个桶"), strict=True
    ):
        assert asyncio.run(retrieve(question, 2))[0] == name
    assert sorted(asyncio.run(retrieve("nothing of this", 99))) == sorted(NAMES), "without a hint still some"


def test_where_all_are_offered_nothing_is_retrieved() -> None:
    assert retriever(AgentAppConfig(offer="all"), toolbox()) is None


def test_a_service_opens_its_own_tools_and_offers_the_nearest() -> None:
    async def run() -> None:
        service = await AgentService.open(AgentAppConfig.model_validate({"tools": [{"library": ["units"]}]}))
        try:
            told = service.tools()
            assert "convert_unit" in [tool["function"]["name"] for tool in told["tools"]]
            assert told["retrieval"]
        finally:
            await service.close()

    asyncio.run(run())
