"""xLAM rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.conversation import Conversation
from octupus.data.checks import check_schemas, check_structure
from octupus.data.reasons import Reason
from octupus.data.sources import xlam
from octupus.errors import ConversionError

MEAN = {"name": "mean", "description": "m", "parameters": {"xs": {"description": "v", "type": "List[float]"}}}


def row(answers: Any, tools: Any = None, query: str = "What is the mean of 1 and 2?") -> dict[str, Any]:
    return {"query": query, "answers": json.dumps(answers), "tools": json.dumps([MEAN] if tools is None else tools)}


def reason(value: dict[str, Any]) -> str:
    with pytest.raises(ConversionError) as caught:
        xlam.convert(value)
    return caught.value.reason


def test_samples(shared: Callable[[str], Path]) -> None:
    lines = shared("corpora/samples/xlam_function_calling_60k.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert all(map(xlam.recognises, rows))
    conversations = list(map(xlam.convert, rows))
    assert [conversation.kind for conversation in conversations] == [
        "parallel",
        "single",
        "single",
        "single",
        "no_call",
    ]
    required = [conversation.tools[0].function.parameters["required"] for conversation in conversations]
    assert required == [[], ["x"], ["xs"], ["d"], ["xs"]]
    for conversation in conversations:
        assert check_structure(conversation) is None
        assert check_schemas(conversation) is None


def test_calls() -> None:
    conversation = xlam.convert(row([{"name": "mean", "arguments": {"xs": [1, 2]}}]))
    user, assistant = conversation.messages
    assert (user.role, user.content, assistant.content) == ("user", "What is the mean of 1 and 2?", None)
    assert assistant.tool_calls[0].function.arguments == '{"xs": [1, 2]}'
    assert conversation.meta == {}


@pytest.mark.parametrize(
    ("query", "language"), [("What is the weather in Paris?", "en"), ("Zzyzx", "en"), ("巴黎的天气怎么样？", "zh")]
)
def test_no_answers_are_a_sentence_that_meta_tells_of(query: str, language: str) -> None:
    conversation = xlam.convert(row([], query=query))
    assert conversation.messages[1].content == xlam.NO_TOOL_FITS[language]
    assert conversation.meta == {"answer_by": "octupus"}
    assert conversation.kind == "no_call"


def test_json_schema_parameters_stay() -> None:
    parameters = {"type": "object", "properties": {"xs": {"type": "array"}}, "required": ["xs"]}
    conversation = xlam.convert(row([{"name": "mean", "arguments": {}}], [{**MEAN, "parameters": parameters}]))
    assert conversation.tools[0].function.parameters == parameters


def test_a_list_of_required_parameters_is_taken() -> None:
    flat = {"a": {"type": "int"}, "b": {"type": "int"}}
    conversation = xlam.convert(row([{"name": "f"}], [{"name": "f", "parameters": flat, "required": ["b"]}]))
    assert conversation.tools[0].function.parameters["required"] == ["b"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({**row([]), "answers": "[{"}, Reason.CALL_PARSE_ERROR),
        ({**row([]), "answers": "{}"}, Reason.CALL_PARSE_ERROR),
        (row([{"arguments": {}}]), Reason.CALL_PARSE_ERROR),
        (row([{"name": "mean", "arguments": [1]}]), Reason.CALL_PARSE_ERROR),
        ({**row([]), "tools": "[{"}, Reason.PARSE_TOOLS),
        (row([], [1]), Reason.PARSE_TOOLS),
        (row([], [{"parameters": {}}]), Reason.PARSE_TOOLS),
        ({**row([]), "query": 1}, Reason.WRONG_SHAPE),
        (row([], query="Какая сегодня погода в Москве?"), Reason.EMPTY_ASSISTANT),
    ],
)
def test_reasons(value: dict[str, Any], expected: Reason) -> None:
    assert reason(value) == expected


def test_rows_of_other_formats_are_not_claimed() -> None:
    assert not xlam.recognises({"query": "a", "answers": [], "tools": "[]"})
    assert not xlam.recognises({"query": "a", "tools": "[]"})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["int", "List[int], optional", "a", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "parameters", "type", "default", "required", "arguments", "description", "a"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


def convert_or_reason(value: dict[str, Any]) -> Conversation | Reason:
    try:
        return xlam.convert(value)
    except ConversionError as error:
        return Reason(error.reason)


@given(answers=st.lists(anything, max_size=2) | anything, tools=st.lists(anything, max_size=2) | anything)
@settings(max_examples=300, deadline=None)
def test_any_row_converts_or_has_a_reason(answers: Any, tools: Any) -> None:
    outcome = convert_or_reason(row(answers, tools))
    if isinstance(outcome, Conversation):
        assert Conversation.from_row(outcome.to_row()).id == outcome.id
