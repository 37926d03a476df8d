"""Values of calls that nothing before them says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from octupus.conversation import Conversation, FunctionCall, FunctionDefinition, Message, Tool, ToolCall
from octupus.data.grounding import Ungrounded, ungrounded
from tests.chat_strategies import conversations, plain_text
from tests.data.augment.calling_rows import glaive_demo


def call(identity: str, **arguments: Any) -> ToolCall:
    return ToolCall(id=identity, function=FunctionCall(name="f", arguments=json.dumps(arguments)))


def asked(request: str, value: Any, **schema: Any) -> Conversation:
    parameters = {"type": "object", "properties": {"x": schema}}
    return Conversation(
        messages=(Message(role="user", content=request), Message(role="assistant", tool_calls=(call("c", x=value),))),
        tools=(Tool(function=FunctionDefinition(name="f", parameters=parameters)),),
    )


@pytest.mark.parametrize(
    ("request_text", "value"),
    [
        ("The weather in Rome?", "rome"),
        ("The weather in New  York?", "New York"),
        ("Track AB-12 34", "ab1234"),
        ("It costs $1,250.50", 1250.5),
        ("It costs １２ yuan", 12),
        ("Split it by five", 5),
        ("一共两个人", 2),
        ("a loan of 2 million", 2_000_000),
        ("贷款20万美元", 200_000),
        ("at 3.5%", 0.035),
        ("born on May 5, 1990", "1990-05-05"),
        ("我出生于1990年5月15日", "1990-05-15"),
        ("3月15日10点整", "3月15日 10:00:00"),
        ("I meet Ann tomorrow, please translate it", "Meeting with Ann"),
        ("convert dollars to euros", "EUR"),
        ("把它翻译成法语", "fr"),
        ("找一个科学领域的数据工作", "数据科学"),
        ("anything", True),
        ("anything", None),
        ("anything", "M"),
        ("anything", 0),
        ("anything", ""),
        ("anything", {"deep": [{"er": True}]}),
    ],
)
def test_grounded(request_text: str, value: Any) -> None:
    assert ungrounded(asked(request_text, value)) == ()


@pytest.mark.parametrize(
    ("request_text", "value"),
    [
        ("The weather?", "Rome"),
        ("How old am I today?", "2022-03-15"),
        ("A restaurant in New York", 4),
        ("Send a mail to Ann", "The quarterly report is due"),
        ("最新的体育新闻", "科技"),
        ("上周的文章", "2022年3月1日"),
        ("convert dollars", "EUR"),
        ("It costs 12", 120),
    ],
)
def test_made_up(request_text: str, value: Any) -> None:
    assert ungrounded(asked(request_text, value)) == (Ungrounded(1, "c", "/x", value),)


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": ["metric", "imperial"]},
        {"const": "metric"},
        {"default": "metric"},
        {"description": "metric or imperial"},
    ],
)
def test_what_the_schema_offers_is_grounded(schema: dict[str, Any]) -> None:
    assert ungrounded(asked("How tall?", "metric", **schema)) == ()


def test_every_text_before_counts_and_only_trained_calls_do() -> None:
    messages = (
        Message(role="system", content="The user lives in Oslo."),
        Message(role="user", content="Weather?"),
        Message(role="assistant", content="In Lima?", tool_calls=(call("a", x="Oslo"), call("b", x={"y/z": ["Lima"]}))),
        Message(role="tool", content='{"next": "Cairo"}', tool_call_id="a"),
        Message(role="tool", content="-", tool_call_id="b"),
        Message(role="assistant", tool_calls=(call("c", x="Cairo"), call("d", x="Lima"), call("e", x="Quito"))),
        Message(role="tool", content="Quito", tool_call_id="c"),
    )
    conversation = Conversation(messages=messages)
    found = ungrounded(conversation)
    assert found == (Ungrounded(2, "b", "/x/y~1z/0", "Lima"), Ungrounded(5, "e", "/x", "Quito"))
    loss = (False, False, False, False, False, True, False)
    assert ungrounded(conversation.model_copy(update={"loss": loss})) == found[1:]


@given(conversations(plain_text))
@settings(deadline=None)
def test_whatever_the_user_said_is_grounded(conversation: Conversation) -> None:
    values = "\n".join(
        str(json.loads(call.function.arguments)["value"]) for each in conversation.messages for call in each.tool_calls
    )
    said = [
        each.model_copy(update={"content": values}) if each.role == "user" else each for each in conversation.messages
    ]
    assert ungrounded(conversation.model_copy(update={"messages": tuple(said)})) == ()


@pytest.mark.parametrize(("code", "most"), [("en", 0.08), ("zh", 0.22)])
def test_few_real_calls_are_flagged(shared: Callable[[str], Path], code: str, most: float) -> None:
    """Chinese rows are translations, in which names and dates often changed between request and call."""
    rows = glaive_demo(shared, code)
    calls = sum(len(message.tool_calls) for row in rows for message in row.messages)
    flagged = sum(len({found.call_id for found in ungrounded(row)}) for row in rows)
    assert 0 < flagged <= most * calls
