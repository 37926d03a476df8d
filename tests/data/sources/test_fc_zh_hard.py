"""fc_zh_hard rows in both forms."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octupus.conversation import Conversation
from octupus.data.reasons import Reason
from octupus.data.sources import fc_zh_hard
from octupus.errors import ConversionError

PLAN = {"name": "plan", "description": "", "parameters": {"type": "object", "properties": {"goal": {}}}}


def published(*messages: dict[str, Any]) -> dict[str, Any]:
    filled = [{"content": None, "function_call": None, "name": None, **message} for message in messages]
    return {"conversation": filled, "functions": json.dumps([PLAN])}


def made_for_training(*messages: dict[str, Any]) -> dict[str, Any]:
    filled = [{"content": None, "tool_calls": None, **message} for message in messages]
    return {"conversation": filled, "tools": json.dumps([{"type": "function", "function": PLAN}])}


def test_samples(shared: Callable[[str], Path]) -> None:
    lines = shared("corpora/samples/fc_zh_hard.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert all(map(fc_zh_hard.recognises, rows))
    with pytest.raises(ConversionError) as caught:
        fc_zh_hard.convert(rows.pop())
    assert caught.value.reason == Reason.CALL_PARSE_ERROR
    called, asked, incomplete, no_call = map(fc_zh_hard.convert, rows)
    assert [conversation.kind for conversation in (called, asked, incomplete, no_call)] == [
        "single",
        "multi_turn",
        "single",
        "no_call",
    ]
    assert called.messages[1].tool_calls[0].function.arguments == '{"城市": "苏州", "days": ["周六", "周日"]}'
    assert asked.messages[3].content == "好的，我来起草。"
    assert incomplete.messages[1].tool_calls[0].function.arguments == '{"days": "周六"}'


def test_both_forms_are_one_conversation() -> None:
    arguments = '{"goal": "拉新"}'
    user, end = {"role": "user", "content": "起草"}, {"role": "assistant", "content": "好"}
    first = published(
        user,
        {"role": "assistant", "function_call": {"name": "plan", "arguments": arguments}},
        {"role": "function", "content": "ok", "name": "plan"},
        end,
    )
    call = {"type": "function", "function": {"name": "plan", "arguments": arguments}}
    second = made_for_training(
        user, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "ok"}, end
    )
    assert fc_zh_hard.recognises(first)
    assert fc_zh_hard.recognises(second)
    conversation = fc_zh_hard.convert(first)
    assert isinstance(conversation, Conversation)
    assert conversation == fc_zh_hard.convert(second)
    assert conversation.messages[2].tool_call_id == "call_0"


def test_a_result_of_another_tool_ends_the_conversation() -> None:
    conversation = fc_zh_hard.convert(
        published(
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
            {"role": "assistant", "function_call": {"name": "plan", "arguments": "{}"}},
            {"role": "function", "content": "ok", "name": "other"},
        )
    )
    assert conversation.flags == ("cut_tool_result_name",)
    assert len(conversation.messages) == 2


@pytest.mark.parametrize(
    "row",
    [
        {"conversation": [{"role": "user", "content": "a"}]},
        {"conversation": [{"role": "user", "content": "a"}], "functions": "[]"},
        {"conversation": [{"role": "user", "content": "a", "toxic": False}], "tools": "[]"},
        {"conversation": [], "functions": "[]"},
        {"messages": [{"role": "user", "content": "a", "function_call": None}], "functions": "[]"},
        {"conversation": "a", "functions": "[]"},
    ],
)
def test_rows_of_other_formats_are_not_claimed(row: dict[str, Any]) -> None:
    assert not fc_zh_hard.recognises(row)
