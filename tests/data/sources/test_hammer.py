"""Hammer's form of other corpora's tests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octupus.data.checks import check_structure
from octupus.data.reasons import Reason
from octupus.data.sources import hammer
from octupus.data.sources.reader import read_rows
from octupus.errors import ConversionError

HOTEL = {
    "name": "Book",
    "description": "Books a room.",
    "parameters": {"city": {"type": "str"}, "guests": {"type": "list(str)"}},
    "return": {"status": {"type": "str"}},
}
SEARCH = {
    "name": "search",
    "parameters": {"text": {"type": "string", "required": True}, "page": {"type": "integer"}, "size": {"type": "int"}},
    "required": ["size"],
}


def row(query: Any, *answers: Any, tools: Any = (HOTEL,)) -> dict[str, Any]:
    return {"query": query, "tools": list(tools), "answers": list(answers)}


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def written(*calls: dict[str, Any]) -> str:
    return f"```{json.dumps(calls)}```"


def test_a_question_and_its_calls() -> None:
    answers = [
        {"tool": "search", "parameters": {"size": 1, "text": "a"}},
        {"name": "search", "arguments": {"text": "b"}},
    ]
    value = row("Find a and b.", *answers, tools=[SEARCH])
    assert hammer.recognises(value)
    conversation = hammer.convert(value)
    assert conversation.kind == "parallel"
    assert conversation.messages[1].tool_calls[0].function.arguments == '{"text": "a", "size": 1}'
    parameters = conversation.tools[0].function.parameters
    assert sorted(parameters["required"]) == ["size", "text"]
    assert parameters["properties"]["text"] == {"type": "string"}


def test_a_dialogue_up_to_a_call() -> None:
    query = [
        said("user", "Book."),
        said("agent", "Where?"),
        said("user", "Rome."),
        said("agent", "I look."),
        said("assistant", written({"name": "Book", "arguments": {"city": "Rome", "guests": "['Ann']"}})),
        said("tool", "full"),
        said("agent", "Full."),
        said("agent", "I try Oslo.\nGenerate API Request:"),
    ]
    conversation = hammer.convert(row(query, {"name": "Book", "arguments": {"city": "Oslo", "guests": []}}))
    assert [message.content for message in conversation.messages] == [
        "Book.",
        "Where?",
        "Rome.",
        "I look.",
        "full",
        "Full.\nI try Oslo.",
    ]
    assert conversation.loss == (False, False, False, False, False, True)
    assert conversation.messages[3].tool_calls[0].function.arguments == '{"city": "Rome", "guests": ["Ann"]}'
    assert conversation.tools[0].function.parameters["required"] == ["city", "guests"]
    assert check_structure(conversation) is None


@pytest.mark.parametrize("role", ["user", "tool"])
def test_the_request_is_no_part_of_what_was_said(role: str) -> None:
    call = {"name": "Book", "arguments": {"city": "Rome", "guests": []}}
    query = [said("user", "Book."), said("assistant", written(call)), said("tool", "x")]
    query[2:] = [said(role, f"yes\n{hammer.REQUEST}")]
    assert hammer.convert(row(query, call)).messages[-2].content == "yes"


def test_without_answers_the_agent_says_what_it_says() -> None:
    conversation = hammer.convert(row([said("user", "?"), said("agent", "!")]))
    assert [(message.role, message.content) for message in conversation.messages] == [("user", "?"), ("assistant", "!")]


def test_the_explanation_of_outputs_is_no_tool() -> None:
    value = row("?", {"name": "Book", "arguments": {}}, tools=[HOTEL, {"name": "components", "parameters": {}}])
    assert [tool.function.name for tool in hammer.convert(value).tools] == ["Book"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, Reason.WRONG_SHAPE),
        (row(3), Reason.WRONG_SHAPE),
        (row("?", 3), Reason.WRONG_SHAPE),
        (row([3]), Reason.WRONG_SHAPE),
        (row("?", {"name": "Book"}), Reason.CALL_PARSE_ERROR),
        (row([said("ape", "?")]), Reason.ROLES_ERROR),
        (row([said("assistant", "```[{'name': 'Book'}]```")]), Reason.CALL_PARSE_ERROR),
        (row([said("assistant", "```{}```")]), Reason.CALL_PARSE_ERROR),
        (row("?", tools=[{"name": "x"}]), Reason.PARSE_TOOLS),
        (row("?", tools=[3]), Reason.WRONG_SHAPE),
    ],
)
def test_what_cannot_be_converted_has_a_reason(value: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(ConversionError) as caught:
        hammer.convert(value)
    assert caught.value.reason == reason


def test_other_formats_are_not_claimed() -> None:
    assert not hammer.recognises({"query": "?", "tools": "[]", "answers": "[]"})
    assert not hammer.recognises({"tools": [], "answers": []})


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("apibank_l1", {"multi_turn": 257, "single": 38}),
        ("apibank_l2", {"multi_turn": 52, "single": 27, "multi_step": 17}),
        ("sealtool", {"single": 208}),
        ("toolalpaca", {"single": 57, "parallel": 18}),
    ],
)
def test_real_rows(shared: Callable[[str], Path], name: str, kinds: dict[str, int]) -> None:
    found = Counter[str]()
    for raw in read_rows(shared(f"corpora/hammer_eval/{name}.json")):
        assert hammer.recognises(raw.value)
        conversation = hammer.convert(raw.value)
        assert [conversation.trained(position) for position in range(len(conversation.messages))].count(True) == 1
        assert conversation.trained(len(conversation.messages) - 1)
        found[conversation.kind] += 1
    assert found == kinds
