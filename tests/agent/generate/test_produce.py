"""Conversations by the hundred: shared out as asked, the same whatever runs at once, and fit for the data line."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from octupus.agent.generate.acceptance import fault
from octupus.agent.generate.compose import SYSTEM_PROMPTS
from octupus.agent.generate.config import GenerateConfig
from octupus.agent.generate.execute import repeated
from octupus.agent.generate.produce import Produced, Producer, shares
from octupus.agent.generate.scenarios import SCENARIOS
from octupus.agent.generate.shapes import CANNOT
from octupus.agent.generate.written import openai_row
from octupus.conversation import Conversation, Message
from octupus.data.examine import Kept, Rules, examine
from octupus.data.quality import QualityConfig
from octupus.data.sources.openai_messages import convert
from tests.agent.generate.in_process_library import in_process_library

COUNT = 60
LIBRARY = in_process_library()


def produced(**settings: Any) -> tuple[list[Produced], Producer]:
    config = GenerateConfig.model_validate({"output": Path("unused"), "count": COUNT, "seed": 3, **settings})
    producer = Producer(config, LIBRARY, list(SCENARIOS.values()))

    async def collected() -> list[Produced]:
        return [made async for made in producer.produce()]

    return asyncio.run(collected()), producer


@pytest.fixture(scope="module")
def made() -> tuple[list[Produced], Producer]:
    return produced()


def of_shape(made: tuple[list[Produced], Producer], shape: str) -> list[Conversation]:
    found = [each.conversation for each in made[0] if each.executed.blueprint.shape == shape]
    assert found
    return found


def test_shares_are_exact() -> None:
    assert Counter(shares({"a": 1, "b": 2}, 10)) == {"a": 3, "b": 7}
    assert len(shares({"a": 1, "b": 1, "c": 1}, 100)) == 100
    assert shares({"a": 0, "b": 5}, 3) == ["b", "b", "b"]


def test_conversations_are_shared_out_as_asked(made: tuple[list[Produced], Producer]) -> None:
    blueprints = [each.executed.blueprint for each in made[0]]
    assert Counter(each.shape for each in blueprints) == Counter(
        shares(GenerateConfig(output=Path("unused")).shapes, COUNT)
    )
    assert Counter(each.language for each in blueprints) == {"en": 40, "zh": 20}
    counts = made[1].counts
    assert counts.kept == COUNT == len({each.conversation.id for each in made[0]})
    assert counts.tried == counts.kept + sum(counts.dropped.values())
    assert len({each.executed.id for each in made[0]}) == COUNT
    assert len({name for each in blueprints for name in each.scenarios}) > 35


def test_what_runs_at_once_changes_nothing(made: tuple[list[Produced], Producer]) -> None:
    others, producer = produced(concurrency=1)
    assert [each.conversation for each in others] == [each.conversation for each in made[0]]
    assert producer.counts == made[1].counts
    different, _ = produced(seed=4, count=20)
    assert not {each.conversation.id for each in different} & {each.conversation.id for each in others}


def test_the_data_line_keeps_every_one_as_it_is(
    made: tuple[list[Produced], Producer], tokenizer_directory: Path
) -> None:
    conversations = [each.conversation for each in made[0]]
    rules = Rules(
        str(tokenizer_directory), 100_000, False, QualityConfig(ungrounded="drop", personal_data="drop"), None
    )
    for conversation, outcome in zip(conversations, examine(conversations, rules), strict=True):
        assert isinstance(outcome, Kept), outcome
        assert outcome.conversation.model_copy(update={"loss": conversation.loss}) == conversation


def test_the_written_rows_are_read_back_whole(made: tuple[list[Produced], Producer]) -> None:
    for each in made[0]:
        conversation = each.conversation
        read = convert(json.loads(json.dumps(openai_row(conversation))))
        assert (read.messages, read.tools, read.loss) == (conversation.messages, conversation.tools, conversation.loss)
        assert (read.id, read.meta) == (conversation.id, conversation.meta)
        assert read.kind == conversation.kind


def test_every_one_executes_again_to_the_same_state(made: tuple[list[Produced], Producer]) -> None:
    async def again(each: Produced) -> str:
        planned = each.executed.blueprint
        environment = await LIBRARY.environment(planned.modules, planned.seed)
        return await repeated(each.executed.made(), each.conversation.meta["final_state_sha256"], environment)

    assert [asyncio.run(again(each)) for each in made[0]] == [""] * COUNT


def test_a_value_that_is_left_out_comes_only_after_it_was_asked_for(made: tuple[list[Produced], Producer]) -> None:
    for each in made[0]:
        if each.executed.blueprint.shape != "missing_parameter":
            continue
        turns = each.executed.blueprint.turns
        (place,) = [number for number, turn in enumerate(turns) if turn.unsaid]
        asking, answering = turns[place], turns[place + 1]
        assert not any(value in asking.user for value in asking.unsaid if len(value) > 3)
        assert all(value in answering.user for value in asking.unsaid)
        assert not asking.steps
        assert answering.steps
        assert each.conversation.trained(_position(each.conversation, asking.user) + 1)


def test_a_refused_call_is_not_trained_and_is_made_up_for(made: tuple[list[Produced], Producer]) -> None:
    for conversation in of_shape(made, "error_correction"):
        refused = [place for place, message in enumerate(conversation.messages) if _fails(conversation, place)]
        assert refused
        for place, message in enumerate(conversation.messages):
            if message.role == "assistant":
                assert conversation.trained(place) == (place not in refused)
        after = conversation.messages[max(refused) + 2 :]
        assert any(message.tool_calls for message in after)


def test_what_no_tool_does_is_not_called_and_said(made: tuple[list[Produced], Producer]) -> None:
    beginnings = [text.split("{ability}")[0] for texts in CANNOT.values() for text in texts]
    for each in made[0]:
        if each.executed.blueprint.shape == "missing_tool":
            offered = {tool.function.name for tool in each.conversation.tools}
            closed = {tool.function.name for module in each.executed.blueprint.closed for tool in LIBRARY.tools(module)}
            assert offered
            assert not offered & closed
            said = [message.content or "" for message in each.conversation.messages if message.role == "assistant"]
            assert any(text.startswith(beginning) for text in said for beginning in beginnings if beginning)


def test_tools_are_bounded_and_system_prompts_are_some(made: tuple[list[Produced], Producer]) -> None:
    assert max(len(each.conversation.tools) for each in made[0]) <= 16
    prompts = [each.conversation.messages[0] for each in made[0] if each.conversation.messages[0].role == "system"]
    assert 0.15 * COUNT < len(prompts) < 0.45 * COUNT
    assert {prompt.content for prompt in prompts} <= {text for texts in SYSTEM_PROMPTS.values() for text in texts}


def test_what_the_data_line_would_change_is_a_fault(made: tuple[list[Produced], Producer]) -> None:
    good = of_shape(made, "multi_step")[0]
    assert fault(good) is None
    place = next(place for place, message in enumerate(good.messages) if message.tool_calls)
    call = good.messages[place].tool_calls[0]
    for arguments in ('{"nobody": "said this"}', "{}x"):
        wrong = call.model_copy(update={"function": call.function.model_copy(update={"arguments": arguments})})
        message = good.messages[place].model_copy(update={"tool_calls": (wrong, *good.messages[place].tool_calls[1:])})
        messages = (*good.messages[:place], message, *good.messages[place + 1 :])
        assert fault(good.model_copy(update={"messages": messages})) is not None
    assert fault(good.model_copy(update={"messages": good.messages[:-1]})) is not None
    other = "zh" if good.language == "en" else "en"
    assert fault(good.model_copy(update={"language": other})) is not None


def _position(conversation: Conversation, text: str) -> int:
    return next(place for place, message in enumerate(conversation.messages) if message.content == text)


def _fails(conversation: Conversation, place: int) -> bool:
    """Whether the message's calls were refused: tools say so in words, and give JSON otherwise."""
    message: Message = conversation.messages[place]
    results = conversation.messages[place + 1 : place + 1 + len(message.tool_calls)]
    return any(not (result.content or "").startswith(("{", "[")) for result in results)
