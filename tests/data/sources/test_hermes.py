"""hermes-function-calling-v1: function calling, extraction, Glaive's rows and JSON mode."""

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
from octupus.data.sources import hermes
from octupus.errors import ConversionError

SPLIT = {
    "type": "function",
    "function": {"name": "split", "description": "", "parameters": {"type": "object", "properties": {"n": {}}}},
}
CALLING = (
    "You are a function calling AI model. You are provided with function signatures within <tools> </tools> XML tags. "
    "You may call one or more functions to assist with the user query. Don't make assumptions about what values to "
    "plug into functions.\n<tools>\n{tools}\n</tools>\nFor each function call return a json object with function name "
    "and arguments within <tool_call> </tool_call> tags with the following schema:\n<tool_call>\n"
    "{{'arguments': <args-dict>, 'name': <function-name>}}\n</tool_call>\n"
)
EXTRACTION = (
    "You are an expert structured information extraction AI model. You will be provided with documents to extract "
    "information from. You are also provided with the json schema to output extracted information in the function "
    "signatures within XML tags <tools></tools>. Don't make assumptions about what values to plug into json schema. \n"
    "<tools>\n{tools}\n</tools>\nFor each extraction function call return a json object with function name and "
    "arguments followed by a <tool_call> tag with the following schema:\n<tool_call>\n"
    "{{'arguments': <args-dict>, 'name': <function-name>}}\n</tool_call>"
)
GLAIVE = (
    "You are a function calling AI model. You are provided with function signatures within <tools></tools> XML tags."
    "You may call one or more functions to assist with the user query. Don't make assumptions about what values to "
    "plug into functions.Here are the available tools:<tools>\n{tools}\n</tools>Use the following pydantic model json "
    "schema for each tool call you will make: {{'title': 'FunctionCall'}}For each function call return a json object "
    "with function name and arguments within <tool_call></tool_call> XML tags as follows:\n<tool_call>\n{{tool_call}}\n"
    "</tool_call>"
)
JSON_MODE = (
    "You are a helpful assistant that answers in JSON. Here's the json schema you must adhere to:\n<schema>\n"
    "{'title': 'Note', 'type': 'object'}\n</schema>\n"
)


def row(*turns: tuple[str, Any], system: str | None = None, tools: Any = None) -> dict[str, Any]:
    system = CALLING.format(tools=[SPLIT]) if system is None else system
    values = [{"from": role, "value": value} for role, value in (("system", system), *turns)]
    return {"conversations": values, "tools": tools}


def converted(*turns: tuple[str, Any], **options: Any) -> Conversation:
    return hermes.convert(row(*turns, **options))


def reason(*turns: tuple[str, Any], **options: Any) -> str:
    with pytest.raises(ConversionError) as caught:
        converted(*turns, **options)
    return caught.value.reason


def calls(conversation: Conversation, position: int) -> list[tuple[str, Any]]:
    found = conversation.messages[position].tool_calls
    return [(call.function.name, json.loads(call.function.arguments)) for call in found]


def samples(shared: Callable[[str], Path], name: str) -> list[Conversation | str]:
    outcomes: list[Conversation | str] = []
    for line in shared(f"corpora/samples/{name}.jsonl").read_text("utf-8").splitlines():
        sample = json.loads(line)
        assert hermes.recognises(sample)
        try:
            outcomes.append(hermes.convert(sample))
        except ConversionError as error:
            outcomes.append(str(error.reason))
    return outcomes


def test_single_turn_samples(shared: Callable[[str], Path]) -> None:
    python, mixed, text, _, broken = samples(shared, "hermes_func_calling_singleturn")
    assert isinstance(python, Conversation)
    assert isinstance(mixed, Conversation)
    assert isinstance(text, Conversation)
    assert calls(python, 1) == [("set_blinds", {"room": "study", "level": 40})]
    assert calls(mixed, 1) == [("set_blinds", {"room": "Ann's nursery", "level": 10}), ("read_sensor", {"kind": "co2"})]
    assert text.messages[1].content == "I will read the light sensor now."
    assert calls(text, 1) == [("read_sensor", {"kind": "lumen"})]
    assert broken == Reason.CALL_PARSE_ERROR


def test_function_calling_samples(shared: Callable[[str], Path]) -> None:
    single, parallel, one_result, no_call, plain = samples(shared, "hermes_func_calling")
    assert all(isinstance(outcome, Conversation) for outcome in (single, parallel, one_result, no_call, plain))
    contents = [
        [message.content for message in outcome.messages if message.role == "tool"]
        for outcome in (single, parallel, one_result, no_call, plain)
        if isinstance(outcome, Conversation)
    ]
    assert contents == [
        ['{"ok": true}'],
        ['{"lux": 310}', '{"co2": 640}'],
        ['{"lux": 310}'],  # one for two calls: for the check of the structure
        ['{"ok": true}'],  # behind no call: for the check of the structure
        ["sensor offline (timeout)"],
    ]


def test_glaive_samples(shared: Callable[[str], Path]) -> None:
    outcomes = samples(shared, "hermes_glaive_func_calling")
    kinds = [outcome.kind for outcome in outcomes if isinstance(outcome, Conversation)]
    assert kinds == ["single", "no_call", "multi_turn", "chat", "single"]


@pytest.mark.parametrize("frame", [CALLING, EXTRACTION, GLAIVE])
@pytest.mark.parametrize("write", [json.dumps, repr])
@pytest.mark.parametrize("column", [None, "[]", json.dumps([SPLIT])])
def test_frames_give_tools_and_leave_no_prompt(frame: str, write: Any, column: str | None) -> None:
    system = frame.format(tools=write([SPLIT]))
    conversation = converted(("human", "?"), ("gpt", "."), system=system, tools=column)
    assert [message.role for message in conversation.messages] == ["user", "assistant"]
    assert [tool.model_dump() for tool in conversation.tools] == [SPLIT]


@pytest.mark.parametrize("frame", [CALLING, EXTRACTION, GLAIVE])
def test_what_stands_around_a_frame_stays(frame: str) -> None:
    system = f"Today is Monday. {frame.format(tools=[SPLIT])}\nBe kind."
    conversation = converted(("human", "?"), ("gpt", "."), system=system)
    assert conversation.messages[0].content == "Today is Monday.\nBe kind."


def test_text_around_calls_is_content() -> None:
    body = '<tool_call>\n{"name": "split", "arguments": {"n": "</tool_call>"}}\n</tool_call>'
    conversation = converted(("human", "?"), ("gpt", f"First.\n{body}\n{body} Then."))
    assert conversation.messages[1].content == "First.\nThen."
    assert calls(conversation, 1) == [("split", {"n": "</tool_call>"})] * 2


def test_arguments_may_be_json_text() -> None:
    said = """<tool_call>{'name': 'split', 'arguments': '{"n": 2}'}</tool_call>"""
    assert calls(converted(("human", "?"), ("gpt", said)), 1) == [("split", {"n": 2})]


@pytest.mark.parametrize(
    ("response", "contents"),
    [
        ("plain", ["plain"]),
        ("<tool_response>\nplain\n</tool_response>", ["plain"]),
        ("<tool_response>{'name': 'split', 'content': 'x'}</tool_response>", ["x"]),
        ("<tool_response>{'name': 'split', 'content': None}</tool_response>", ["null"]),
        ("<tool_response>{'name': 'Ann', 'content': 1}</tool_response>", ['{"name": "Ann", "content": 1}']),
        ("<tool_response>[1, True]</tool_response><tool_response>5", ["[1, true]", "5"]),
        ("<tool_response>{'a': 1, 'a': 2}</tool_response>", ["{'a': 1, 'a': 2}"]),
    ],
)
def test_results(response: str, contents: list[str]) -> None:
    body = "<tool_call>{'name': 'split', 'arguments': {}}</tool_call>"
    conversation = converted(("human", "?"), ("gpt", body * len(contents)), ("tool", response), ("gpt", "."))
    assert [message.content for message in conversation.messages[2:-1]] == contents
    assert not conversation.flags


@pytest.mark.parametrize(
    "said",
    [
        "<tool_call>\n{'name': 'split', 'arguments': {}}",
        "<tool_call>\n{'name': 'split', 'arguments': {}\n</tool_call>",
        "<tool_call>\n{'arguments': {}}\n</tool_call>",
        "<tool_call>\nsplit()\n</tool_call>",
        "<tool_call>{'name': 'split', 'arguments': [1]}</tool_call>",
        "{'name': 'split', 'arguments': {}}\n</tool_call>",
    ],
)
def test_broken_calls(said: str) -> None:
    assert reason(("human", "?"), ("gpt", said)) == Reason.CALL_PARSE_ERROR


def test_reasons() -> None:
    assert reason(("ape", "?")) == Reason.ROLES_ERROR
    assert reason(("human", "?"), system="<tools>[{'name': }]</tools>") == Reason.PARSE_TOOLS
    assert reason(("human", "?"), tools="[{") == Reason.PARSE_TOOLS
    call = "<tool_call>{'name': 'split', 'arguments': {}}</tool_call>"
    cut = converted(("human", "?"), ("gpt", call), ("tool", "so: <tool_response>1</tool_response>"), ("gpt", "."))
    assert cut.flags == ("cut_wrong_shape",)
    assert len(cut.messages) == 2


def test_json_mode_keeps_the_prompt_and_answers_with_json() -> None:
    conversation = converted(("human", "?"), ("gpt", '{"title": "a"}\n'), system=JSON_MODE)
    assert [message.content for message in conversation.messages] == [JSON_MODE, "?", '{"title": "a"}']
    assert conversation.tools == ()
    assert reason(("human", "?"), ("gpt", "Sure!"), system=JSON_MODE) == Reason.WRONG_SHAPE
    assert reason(("human", "?"), ("gpt", "{'title': 1}"), system=JSON_MODE) == Reason.WRONG_SHAPE


def test_rows_of_other_formats_are_not_claimed() -> None:
    assert hermes.recognises(row(system=JSON_MODE))
    assert not hermes.recognises(row(system="You are kind."))
    assert not hermes.recognises({"conversations": [{"from": "human", "value": "<tools></tools>"}]})
    assert not hermes.recognises({"conversations": []})
    assert not hermes.recognises({"system": "<tools></tools>", "chat": ""})


def convert_or_reason(value: dict[str, Any]) -> Conversation | Reason:
    try:
        return hermes.convert(value)
    except ConversionError as error:
        return Reason(error.reason)


@given(
    turns=st.lists(
        st.tuples(
            st.sampled_from(["human", "gpt", "tool", "system", "ape"]),
            st.lists(
                st.sampled_from(
                    [
                        "<tool_call>",
                        "</tool_call>",
                        "<tool_response>",
                        "</tool_response>",
                        "{'name': 'split'}",
                        "{",
                        "x",
                    ]
                )
                | st.text(max_size=5)
            ).map("".join)
            | st.none(),
        ),
        max_size=5,
    ),
    system=st.sampled_from([CALLING.format(tools=[SPLIT]), JSON_MODE, "<tools>[", ""]) | st.text(),
)
@settings(max_examples=300, deadline=None)
def test_any_row_converts_or_has_a_reason(turns: list[tuple[str, Any]], system: str) -> None:
    outcome = convert_or_reason(row(*turns, system=system))
    if isinstance(outcome, Conversation):
        assert Conversation.from_row(outcome.to_row()).id == outcome.id
