"""Seal-Tools: the tools offered, and calls that need what others give."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octupus.conversation import Conversation
from octupus.data.checks import check_structure
from octupus.data.reasons import Reason
from octupus.data.sources import sealtools
from octupus.data.sources.reader import read_rows
from octupus.errors import ConversionError, CorpusError

Convert = Callable[[dict[str, Any]], Conversation]


def tool(name: str, field: str) -> dict[str, Any]:
    parameters = {"a": {"type": "int", "description": "A."}, "b": {"type": "str", "description": "B."}}
    described = {"api_name": name, "api_description": f"Does {name}.", "field": field}
    return {**described, "parameters": parameters, "required": ["a"], "responses": {}}


def call(name: str, **parameters: Any) -> dict[str, Any]:
    return {"api": name, "parameters": parameters, "responses": ["API_call_0"]}


def row(*calls: Any, identity: str = "dev-1") -> dict[str, Any]:
    return {"id": identity, "query": "Do it.", "calling": list(calls)}


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    tools = [tool(f"near{number}", "Sports/Chess") for number in range(3)]
    tools += [tool(f"wide{number}", "Sports/Golf") for number in range(9)]
    tools += [tool(f"far{number}", "Law") for number in range(9)]
    (tmp_path / "tool.jsonl").write_text("\n".join(map(json.dumps, tools)))
    return sealtools.bind(tmp_path / "dev.jsonl")


def names(conversation: Conversation) -> list[str]:
    return [tool.function.name for tool in conversation.tools]


def test_calls_in_one_turn_are_parallel(convert: Convert) -> None:
    value = row(call("near0", b="x", a=1), call("near1", a=2))
    assert sealtools.recognises(value)
    conversation = convert(value)
    assert conversation.kind == "parallel"
    assert conversation.messages[0].content == "Do it."
    assert [each.function.arguments for each in conversation.messages[1].tool_calls] == [
        '{"a": 1, "b": "x"}',
        '{"a": 2}',
    ]
    assert check_structure(conversation) is None


def test_distractors_are_of_the_same_field_then_of_the_wider(convert: Convert) -> None:
    conversation = convert(row(call("near0", a=1)))
    assert len(conversation.tools) == 1 + sealtools.DISTRACTORS
    assert {"near0", "near1", "near2"} <= set(names(conversation))
    assert not [name for name in names(conversation) if name.startswith("far")]
    offered = next(tool.function for tool in conversation.tools if tool.function.name == "near0")
    assert offered.description == "Does near0."
    assert offered.parameters["properties"]["a"] == {"type": "integer", "description": "A."}
    assert offered.parameters["required"] == ["a"]


def test_what_is_offered_depends_on_the_row_alone(convert: Convert) -> None:
    rows = [row(call("near0", a=1), identity=f"dev-{number}") for number in range(40)]
    offered = [names(convert(value)) for value in rows]
    assert offered == [names(convert(value)) for value in rows]
    assert {each.index("near0") for each in offered} == set(range(1 + sealtools.DISTRACTORS))
    assert len({name for each in offered for name in each}) == 12


def test_calls_behind_the_first_that_needs_a_result_are_left_out(convert: Convert) -> None:
    conversation = convert(row(call("near0", a=1), call("near1", a=[{"x": "API_call_0 response"}]), call("near2", a=3)))
    assert [each.function.name for each in conversation.messages[1].tool_calls] == ["near0"]
    assert conversation.flags == ("cut_ungrounded",)
    assert {"near0", "near1", "near2"} <= set(names(conversation))
    with pytest.raises(ConversionError) as caught:
        convert(row(call("near0", a="API_call_3")))
    assert caught.value.reason == Reason.UNGROUNDED


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"query": "x"}, Reason.WRONG_SHAPE),
        (row(3), Reason.WRONG_SHAPE),
        ({**row(call("near0")), "query": 3}, Reason.WRONG_SHAPE),
        (row({"api": "near0"}), Reason.CALL_PARSE_ERROR),
        (row(call("absent")), Reason.UNKNOWN_TOOL),
    ],
)
def test_what_cannot_be_converted_has_a_reason(convert: Convert, value: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(ConversionError) as caught:
        convert(value)
    assert caught.value.reason == reason


def test_a_missing_or_foreign_companion(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"tool\.jsonl"):
        sealtools.bind(tmp_path / "dev.jsonl")
    (tmp_path / "tool.jsonl").write_text('{"name": "x"}\n')
    with pytest.raises(CorpusError, match="row 0"):
        sealtools.bind(tmp_path / "dev.jsonl")


def test_other_formats_are_not_claimed() -> None:
    assert not sealtools.recognises({"query": "x", "answers": []})
    assert not sealtools.recognises({"calling": []})


def test_real_rows(shared: Callable[[str], Path]) -> None:
    path = shared("corpora/sealtools/dev.jsonl")
    bound = sealtools.bind(path)
    outcomes = Counter[str]()
    for raw in read_rows(path):
        assert sealtools.recognises(raw.value)
        try:
            conversation = bound(raw.value)
        except ConversionError as error:
            outcomes[error.reason] += 1
        else:
            outcomes["cut" if conversation.flags else "whole"] += 1
    # The copy holds 70 % of the tools, so a row of three calls mostly lacks one.
    assert outcomes == {"unknown_tool": 266, "whole": 206, "cut": 5}
