"""ToolACE rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.conversation import Conversation
from octupus.data.reasons import Reason
from octupus.data.sources import toolace
from octupus.errors import ConversionError

INTRODUCTION = (
    "You are an expert in composing functions. You are given a question and a set of possible functions. \n"
    "Based on the question, you will need to make one or more function/tool calls to achieve the purpose. \n"
    "If none of the function can be used, point it out. If the given question lacks the parameters required by the "
    "function,\nalso point it out. "
)
NOTATION = (
    ". \nShould you decide to return the function call(s). \n"
    "Put it in the format of [func1(params_name=params_value, params_name2=params_value2...), func2(params)]\n\n"
    "NO other text MUST be included. \n"
)
TIDE = {
    "name": "Get Tide",
    "description": "d",
    "parameters": {"type": "dict", "properties": {"day": {"type": "int"}, "port": {"type": "string"}}},
    "required": None,
}


def row(*turns: tuple[str, Any], system: str | None = None) -> dict[str, Any]:
    frame = f"{INTRODUCTION}{toolace.FRAME}\n{json.dumps([TIDE])}{NOTATION}"
    values = [{"from": role, "value": value} for role, value in turns]
    return {"system": frame if system is None else system, "conversations": values}


def converted(*turns: tuple[str, Any], system: str | None = None) -> Conversation:
    return toolace.convert(row(*turns, system=system))


def reason(*turns: tuple[str, Any], system: str | None = None) -> str:
    with pytest.raises(ConversionError) as caught:
        converted(*turns, system=system)
    return caught.value.reason


def test_samples(shared: Callable[[str], Path]) -> None:
    lines = shared("corpora/samples/toolace.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert all(map(toolace.recognises, rows))
    first, cut, unicode_names, text, quoted = map(toolace.convert, rows)
    assert [message.role for message in first.messages] == ["user", "assistant", "tool", "tool", "assistant"]
    assert [message.tool_call_id for message in first.messages[2:4]] == ["call_0", "call_1"]
    assert cut.flags == ("cut_tool_result_count",)
    assert [message.role for message in cut.messages] == ["user", "assistant"]
    notes = [json.loads(call.function.arguments).get("note") for call in cut.messages[1].tool_calls]
    assert notes == ['stir (slowly), then say "done]"', "its ok", None]
    (call,) = unicode_names.messages[3].tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "查询快递_Tracker",
        {"单号": "SF100200", "手机后四位": "0088"},
    )
    assert text.kind == "no_call"
    assert text.messages[1].content == rows[3]["conversations"][1]["value"]
    (call,) = quoted.messages[1].tool_calls
    assert call.function.name == quoted.tools[0].function.name == "Bank's FX/Rates (v2)"
    assert json.loads(call.function.arguments)["as-of"] == "2026-01-01"
    assert quoted.messages[2].content == "null"
    assert not any(conversation.meta for conversation in (first, cut, unicode_names, text, quoted))


def test_calls_and_results() -> None:
    results = [{"name": "Get Tide", "results": "high"}, {"name": "Get Tide", "results": {"b": 1, "a": [None]}}]
    conversation = converted(
        ("user", "?"), ("assistant", "[Get Tide(port='Oban', day=1), Get Tide()]"), ("tool", json.dumps(results))
    )
    assert [message.content for message in conversation.messages] == ["?", None, "high", '{"b": 1, "a": [null]}']
    assert conversation.messages[1].tool_calls[0].function.arguments == '{"day": 1, "port": "Oban"}'
    assert conversation.tools[0].function.parameters == TIDE["parameters"]


@pytest.mark.parametrize(
    ("value", "content"), [("no boat", "no boat"), ("[1, 2]", "[1, 2]"), ("{'a': True}", '{"a": true}'), ("[]", "[]")]
)
def test_results_without_names(value: str, content: str) -> None:
    conversation = converted(("user", "?"), ("assistant", "[Get Tide()]"), ("tool", value), ("assistant", "Done."))
    assert [message.content for message in conversation.messages] == ["?", None, content, "Done."]


def test_a_result_of_another_tool_takes_its_call_with_it() -> None:
    results = json.dumps([{"name": "other", "results": 1}])
    turns = [("user", "?"), ("assistant", "Hm."), ("user", "?"), ("assistant", "[Get Tide()]"), ("tool", results)]
    conversation = converted(*turns)
    assert conversation.flags == ("cut_tool_result_name",)
    assert [message.content for message in conversation.messages] == ["?", "Hm."]


def test_calls_of_unknown_tools_stay() -> None:
    conversation = converted(("user", "?"), ("assistant", "[nothing(a=1)]"))
    assert conversation.messages[1].tool_calls[0].function.name == "nothing"


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [("", "", None), ("Be kind.\n", "", "Be kind."), ("", "\nAnswer in French.", "Answer in French.")],
)
def test_what_stands_around_the_frame_stays(before: str, after: str, left: str | None) -> None:
    system = f"{before}{INTRODUCTION}{toolace.FRAME} {json.dumps([TIDE])}{NOTATION}{after}"
    conversation = converted(("user", "?"), ("assistant", "."), system=system)
    said = [message.content for message in conversation.messages if message.role == "system"]
    assert said == ([left] if left else [])
    assert len(conversation.tools) == 1


def test_reasons() -> None:
    user = ("user", "?")
    assert reason(user, ("assistant", "[Get Tide(port=Oban)]")) == Reason.CALL_PARSE_ERROR
    assert reason(user, ("ape", "")) == Reason.ROLES_ERROR
    assert reason(user, ("assistant", 3)) == Reason.WRONG_SHAPE
    assert reason(user, system=f"{toolace.FRAME} [{{") == Reason.PARSE_TOOLS
    assert reason(user, system=f"{toolace.FRAME} " + "[" * 100_000) == Reason.PARSE_TOOLS
    assert reason(user, ("tool", "[]")) == Reason.TOOL_RESULT_COUNT


def test_a_broken_call_leaves_what_was_said_before() -> None:
    conversation = converted(("user", "?"), ("assistant", "Which?"), ("user", "Oban"), ("assistant", "[Get Tide(]"))
    assert [message.content for message in conversation.messages] == ["?", "Which?"]
    assert conversation.flags == ("cut_call_parse_error",)


def test_rows_of_other_formats_are_not_claimed() -> None:
    assert not toolace.recognises({"system": "You are kind.", "conversations": []})
    assert not toolace.recognises({"system": toolace.FRAME, "chat": ""})
    assert not toolace.recognises({"conversations": [{"from": "system", "value": toolace.FRAME}]})


def convert_or_reason(value: dict[str, Any]) -> Conversation | Reason:
    try:
        return toolace.convert(value)
    except ConversionError as error:
        return Reason(error.reason)


@given(
    turns=st.lists(
        st.tuples(
            st.sampled_from(["user", "assistant", "tool", "system", "ape"]),
            st.text()
            | st.none()
            | st.sampled_from(["[Get Tide(day=1)]", "[Get Tide(", "[]", "[{'name': 'Get Tide'}]"]),
        ),
        max_size=5,
    ),
    system=st.text() | st.text().map(lambda tools: f"{toolace.FRAME}{tools}") | st.none(),
)
@settings(max_examples=200, deadline=None)
def test_any_row_converts_or_has_a_reason(turns: list[tuple[str, Any]], system: str | None) -> None:
    outcome = convert_or_reason(row(*turns, system=system))
    if isinstance(outcome, Conversation):
        assert Conversation.from_row(outcome.to_row()).id == outcome.id
