"""Each augmentation: what it makes passes every check, is marked, and is the same again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octupus.conversation import Conversation, FunctionCall, FunctionDefinition, Message, Tool, ToolCall
from octupus.data.augment import irrelevance, merge_calls, missing_parameter
from octupus.data.augment.apply import applicable, augment
from octupus.data.augment.common import alike
from octupus.data.augment.config import AUGMENTATIONS, AugmentationName
from octupus.data.augment.distractors import distractors, tool_pool
from octupus.data.augment.name_masking import name_masking
from octupus.data.augment.tool_order import tool_order
from octupus.data.grounding import ungrounded
from octupus.data.language import language_of
from tests.data.augment.calling_rows import calling_rows, glaive_demo, passes


def tool(name: str, description: str = "", **properties: dict[str, Any]) -> Tool:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return Tool(function=FunctionDefinition(name=name, description=description, parameters=schema))


def call(name: str, identity: str = "call_0", **arguments: Any) -> ToolCall:
    text = json.dumps(arguments, ensure_ascii=False)
    return ToolCall(id=identity, function=FunctionCall(name=name, arguments=text))


def row(request: str, made: ToolCall, *tools: Tool, code: str = "en", system: str = "") -> Conversation:
    messages = [Message(role="system", content=system)] if system else []
    messages += [Message(role="user", content=request), Message(role="assistant", tool_calls=(made,))]
    return Conversation(messages=tuple(messages), tools=tools, language=code)


def text(conversation: Conversation | None, position: int) -> str:
    assert conversation is not None
    return conversation.messages[position].content or ""


CITY = {"type": "string", "description": "The city to look up"}
WEATHER = tool("get_weather", "Weather forecast of a city", city=CITY)
MAIL = tool("send_mail", "Send an e-mail", to={"type": "string", "description": "Recipient"})
MUSIC = tool("play_music", "Play songs by an artist", artist={"type": "string", "description": "The artist"})
BARCODE = tool("scan_barcode", "Read a barcode from a picture", path={"type": "string"})
POOL = tool_pool([MAIL, MUSIC, BARCODE, WEATHER])
ASKED = row("What's the weather in Rome?", call("get_weather", city="Rome"), WEATHER)
MAILED = row("Hello, write to Ann.", call("send_mail", to="Ann"), MAIL)


# All of them


@given(first=calling_rows(), second=calling_rows(), seed=st.integers(0, 3))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_made_passes_every_check(first: Conversation, second: Conversation, seed: int) -> None:
    assert passes(first)
    bits = applicable(first)
    for bit, name in enumerate(AUGMENTATIONS):
        made = augment(name, first, seed, second=second, pool=POOL, max_distractors=2)
        again = augment(name, first, seed, second=second, pool=POOL, max_distractors=2)
        assert made == again
        if not bits >> bit & 1:
            assert made is None
        if made is None:
            continue
        assert passes(made)
        assert made.id not in (first.id, second.id)
        assert f"augmented_{name}" in made.flags
        origin = made.meta["augmented_from"]
        assert origin == ([first.id, second.id] if name == "merge_calls" else first.id)
        assert not made.loss or any(made.loss) or not any(map(first.trained, range(len(first.messages))))


@pytest.mark.parametrize("code", ["en", "zh"])
def test_real_rows(shared: Callable[[str], Path], code: str) -> None:
    rows = glaive_demo(shared, code)
    pool = tool_pool(each for one in rows for each in one.tools)
    made: dict[AugmentationName, int] = dict.fromkeys(AUGMENTATIONS, 0)
    for one, other in zip(rows, rows[1:] + rows[:1], strict=True):
        for name in AUGMENTATIONS:
            result = augment(name, one, 7, second=other, pool=pool)
            assert result is None or passes(result)
            made[name] += result is not None
    assert min(made["irrelevance"], made["name_masking"], made["distractors"]) > 60
    assert min(made.values()) > 0


def test_chat_is_fit_for_nothing() -> None:
    messages = (Message(role="user", content="Hi"), Message(role="assistant", content="Hello"))
    assert applicable(Conversation(messages=messages)) == 0


# Irrelevance


@pytest.mark.parametrize("code", ["en", "zh"])
def test_a_dozen_refusals_in_each_language(code: str) -> None:
    refusals = irrelevance.REFUSALS[code]
    assert len(set(refusals)) >= 12
    assert {language_of(refusal) for refusal in refusals} == {code}


def test_irrelevance_takes_the_called_tool_and_its_like() -> None:
    twin = tool("get_city_weather", "Current weather", city=CITY)
    conversation = row("What's the weather in Rome?", call("get_weather", city="Rome"), WEATHER, twin, MAIL)
    made = irrelevance.irrelevance(conversation, 1)
    assert made is not None
    assert made.tools == (MAIL,)
    assert made.kind == "no_call"
    assert made.loss == (False, True)
    assert text(made, 1) in irrelevance.REFUSALS["en"]


def test_irrelevance_takes_every_tool_of_the_first_answer() -> None:
    messages = (
        *ASKED.messages,
        Message(role="tool", content="sunny", tool_call_id="call_0"),
        Message(role="assistant", tool_calls=(call("send_mail", "call_1", to="Ann"),)),
        Message(role="tool", content="sent", tool_call_id="call_1"),
        Message(role="assistant", content="Sent."),
    )
    conversation = ASKED.model_copy(update={"messages": messages, "tools": (WEATHER, MAIL, BARCODE)})
    made = irrelevance.irrelevance(conversation, 1)
    assert made is not None
    assert made.tools == (BARCODE,)


def test_irrelevance_needs_other_tools() -> None:
    assert irrelevance.irrelevance(ASKED, 1) is None
    assert irrelevance.irrelevance(ASKED, 1, tool_pool([WEATHER])) is None
    made = irrelevance.irrelevance(ASKED, 1, POOL)
    assert made is not None
    assert made.tools
    assert WEATHER not in made.tools


@pytest.mark.parametrize(
    "conversation",
    [
        ASKED.model_copy(update={"language": "de"}),
        ASKED.model_copy(update={"loss": (False, False)}),
        row("Weather in Rome?", call("get_weather", city="Rome"), WEATHER, MAIL, system="You have get_weather."),
        MAILED.model_copy(update={"messages": (MAILED.messages[0], Message(role="assistant", content="No."))}),
    ],
)
def test_no_irrelevance(conversation: Conversation) -> None:
    assert irrelevance.irrelevance(conversation, 1, POOL) is None


# Name masking


def test_masked_names_are_the_same_everywhere() -> None:
    messages = (
        *ASKED.messages,
        Message(role="tool", content='{"name": "get_weather", "city": "Rome"}', tool_call_id="call_0"),
        Message(role="assistant", content="Sunny in that city."),
    )
    plain = tool("search", "Search the web", query={"type": "string"})
    made = name_masking(ASKED.model_copy(update={"messages": messages, "tools": (WEATHER, plain)}), 3)
    assert made is not None
    name, schema = made.tools[0].function.name, made.tools[0].function.parameters
    (argument,) = schema["properties"]
    assert schema["required"] == [argument]
    assert schema["properties"][argument] == CITY
    assert made.messages[1].tool_calls[0].function == FunctionCall(name=name, arguments=f'{{"{argument}": "Rome"}}')
    assert text(made, 2) == f'{{"name": "{name}", "city": "Rome"}}'
    assert not {"get_weather", "city", "search"} & {name, argument, made.tools[1].function.name}
    assert list(made.tools[1].function.parameters["properties"]) == ["query"], "nothing says what it is"


def test_no_masking_where_names_are_spoken_of_or_nothing_describes_them() -> None:
    assert name_masking(row("Use get_weather for Rome", call("get_weather", city="Rome"), WEATHER), 1) is None
    bare = tool("get_weather", city=CITY)
    assert name_masking(row("Weather in Rome?", call("get_weather", city="Rome"), bare), 1) is None


def test_schemas_with_other_keywords_keep_argument_names() -> None:
    schema = {"type": "object", "properties": {"city": CITY}, "dependentRequired": {"city": []}}
    tied = Tool(function=FunctionDefinition(name="get_weather", description="Weather", parameters=schema))
    made = name_masking(row("Weather in Rome?", call("get_weather", city="Rome"), tied), 1)
    assert made is not None
    assert made.tools[0].function.parameters == schema


# Distractors and order


@given(seed=st.integers(0, 50), maximum=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_distractors_are_of_no_use(seed: int, maximum: int) -> None:
    twins = [tool("weather", "Weather of any place"), tool("fetch", "Weather forecast of a city")]
    made = distractors(ASKED, tool_pool([*POOL, *twins]), seed, maximum)
    if made is None:
        return
    added = [each for each in made.tools if each not in ASKED.tools]
    assert 1 <= len(added) <= maximum
    assert not any(alike(each, WEATHER) for each in added)
    assert made.messages == ASKED.messages


def test_the_pool_does_not_depend_on_order() -> None:
    assert tool_pool([MAIL, MUSIC, BARCODE, MAIL]) == tool_pool([BARCODE, MAIL, MUSIC])
    assert tool_pool([tool("bare")]) == ()


def test_no_distractors_where_a_tool_is_missing() -> None:
    refused = MAILED.model_copy(update={"messages": (MAILED.messages[0], Message(role="assistant", content="No."))})
    assert distractors(refused, POOL, 1, 3) is None


def test_tool_order() -> None:
    assert tool_order(ASKED, 1) is None
    for seed in range(8):
        made = tool_order(ASKED.model_copy(update={"tools": (WEATHER, MAIL)}), seed)
        assert made is not None
        assert made.tools == (MAIL, WEATHER)


# Merged calls


def test_merged_requests() -> None:
    made = merge_calls.merge_calls(ASKED, MAILED, 1)
    assert made is not None
    assert made.kind == "parallel"
    assert made.tools == (WEATHER, MAIL)
    assert [each.id for each in made.messages[1].tool_calls] == ["call_0", "call_1"]
    assert text(made, 0).startswith("What's the weather in Rome?")
    assert text(made, 0).endswith("Write to Ann."), "the second greeting goes"


def test_the_same_tool_may_be_merged_but_not_the_same_call() -> None:
    other = row("How is Oslo's weather?", call("get_weather", city="Oslo"), WEATHER)
    made = merge_calls.merge_calls(ASKED, other, 1)
    assert made is not None
    assert made.tools == (WEATHER,)
    assert merge_calls.merge_calls(ASKED, row("Rome's weather?", call("get_weather", city="Rome"), WEATHER), 1) is None


@pytest.mark.parametrize(
    "second",
    [
        MAILED.model_copy(update={"language": "zh"}),
        row("Write to Ann.", call("send_mail", to="Ann"), MAIL, system="Be brief."),
        row("Write to Ann.", call("send_mail", to="Ann"), MAIL, tool("get_weather", "Another", city=CITY)),
        row("Write to Ann.", call("send_mail", to="Ann"), MAIL, tool("city_weather", "Weather", city=CITY)),
    ],
)
def test_no_merge(second: Conversation) -> None:
    assert merge_calls.merge_calls(ASKED, second, 1) is None


# Missing parameter


@pytest.mark.parametrize(
    ("request_text", "value", "code", "shorter"),
    [
        ("What's the weather in Rome?", "Rome", "en", "What's the weather?"),
        ("Tell me the forecast for 'New York' tomorrow.", "New York", "en", "Tell me the forecast tomorrow."),
        ("帮我查一下北京的天气", "北京", "zh", "帮我查一下天气"),
        ("写一篇关于人工智能的文章", "人工智能", "zh", "写一篇文章"),
        ("I live in Rome. What's the weather?", "Rome", "en", None),
        ("I'm currently in Rome. Weather?", "Rome", "en", None),
        ("What's the weather in Rome and Oslo?", "Rome", "en", None),
        ("Rome weather in Rome?", "Rome", "en", None),
        ("Rome please, the weather", "Rome", "en", None),
        ("你可以告诉我关于北京的事情吗？", "北京", "zh", None),
    ],
)
def test_values_are_left_out_where_the_request_still_reads_well(
    request_text: str, value: str, code: str, shorter: str | None
) -> None:
    city = CITY if code == "en" else {"type": "string", "description": "城市名称"}
    conversation = row(request_text, call("get_weather", city=value), tool("get_weather", "", city=city), code=code)
    made = missing_parameter.missing_parameter(conversation, 1)
    if shorter is None:
        assert made is None
        return
    assert text(made, 0) == shorter
    assert ("the city to look up" if code == "en" else "城市名称") in text(made, 1)
    assert value in text(made, 2)
    assert made is not None
    assert made.messages[3] == conversation.messages[1]
    assert made.loss == (False, True, False, True)
    assert made.kind == "multi_turn"
    assert ungrounded(made) == ()


def test_values_that_stand_in_others_stay() -> None:
    two = tool("route", "", start=CITY, end=CITY)
    conversation = row("A route from Rome to Rome Airport", call("route", start="Rome", end="Rome Airport"), two)
    assert missing_parameter.missing_parameter(conversation, 1) is None


@pytest.mark.parametrize("sentences", [missing_parameter.QUESTIONS, merge_calls.CONNECTORS])
def test_a_dozen_sentences_in_each_language(sentences: dict[str, tuple[str, ...]]) -> None:
    assert all(len(set(sentences[code])) >= 12 for code in ("en", "zh"))
