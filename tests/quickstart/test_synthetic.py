"""The synthetic corpora: deterministic, valid, in both languages, and disjoint from what is held out."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from octupus.quickstart.synthetic import (
    BAD_ROWS,
    KindCounts,
    conversations,
    held_out_requests,
    write_corpora,
)
from octupus.quickstart.synthetic_tools import TOOLS
from octupus.quickstart.synthetic_values import CITIES, PERSONS

COUNTS = KindCounts(chat=300, single=300, parallel=200, no_call=100, result_then_answer=100, multi_turn=200)


@pytest.fixture(scope="module")
def made() -> list[dict[str, Any]]:
    return list(conversations(COUNTS, 5))


def request_text(messages: list[dict[str, Any]]) -> str:
    return str(next(message["content"] for message in messages if message["role"] == "user"))


def calls_of(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [
        (call["function"]["name"], call["function"]["arguments"])
        for message in messages
        for call in message.get("tool_calls", ())
    ]


def check_calls(tools: list[dict[str, Any]], calls: list[tuple[str, str]]) -> None:
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
    for name, arguments in calls:
        value = json.loads(arguments)
        jsonschema.validate(value, schemas[name])
        assert list(value) == [key for key in schemas[name]["properties"] if key in value]
        assert arguments == json.dumps(value, ensure_ascii=False)


def test_catalogue_is_broad_and_well_formed() -> None:
    names = [tool.name for tool in TOOLS]
    assert len(set(names)) == len(names) >= 30
    assert any(other != name and other.startswith(name) for name in names for other in names)
    kinds = {parameter.kind for tool in TOOLS for parameter in tool.parameters}
    assert {"integer", "number", "boolean", "enum", "persons", "date"} <= kinds
    for tool in TOOLS:
        jsonschema.Draft202012Validator.check_schema(tool.schema())
        assert set(tool.requests) == set(tool.descriptions) == {"en", "zh"}
    assert len(CITIES["en"]) >= 300
    assert len(PERSONS["en"]) == 64
    assert len(set(CITIES["en"] + CITIES["zh"])) == len(CITIES["en"] + CITIES["zh"])


def test_conversations_are_a_function_of_the_seed(made: list[dict[str, Any]]) -> None:
    assert made == list(conversations(COUNTS, 5))
    assert made != list(conversations(COUNTS, 6))


def test_counts_per_kind_and_both_languages(made: list[dict[str, Any]]) -> None:
    assert Counter(row["kind"] for row in made) == {
        "chat": 300, "single": 300, "parallel": 200, "no_call": 100, "result_then_answer": 100, "multi_turn": 200,
    }  # fmt: skip
    for kind in {row["kind"] for row in made}:
        languages = Counter(row["language"] for row in made if row["kind"] == kind)
        assert min(languages["en"], languages["zh"]) > 0.3 * languages.total()


def test_conversations_are_distinct(made: list[dict[str, Any]]) -> None:
    texts = [json.dumps([row["messages"], row["tools"]], ensure_ascii=False) for row in made]
    assert len(set(texts)) == len(texts)


def test_calls_are_valid_and_tools_are_shown(made: list[dict[str, Any]]) -> None:
    expected_calls = {"chat": 0, "no_call": 0, "single": 1, "result_then_answer": 1, "parallel": 2}
    for row in made:
        calls = calls_of(row["messages"])
        assert len(calls) == expected_calls.get(row["kind"], len(calls))
        assert (row["tools"] == []) == (row["kind"] == "chat")
        assert len(row["tools"]) <= 4
        check_calls(row["tools"], calls)
        ids = [call["id"] for message in row["messages"] for call in message.get("tool_calls", ())]
        assert ids == [f"call_{index}" for index in range(len(ids))]


def test_held_out_requests_are_answerable_and_disjoint(made: list[dict[str, Any]]) -> None:
    requests = held_out_requests(5, 100)
    assert requests == held_out_requests(5, 100)
    assert Counter(request.kind for request in requests) == {"single": 60, "parallel": 20, "no_call": 20}
    assert {request.language for request in requests} == {"en", "zh"}
    for request in requests:
        calls = [(name, json.dumps(arguments, ensure_ascii=False)) for name, arguments in request.expected_calls]
        assert (calls == []) == (request.kind == "no_call")
        check_calls(request.tools, calls)
    trained_texts = {request_text(row["messages"]) for row in made}
    trained_calls = {call for row in made for call in calls_of(row["messages"])}
    more = held_out_requests(9, 400)
    assert not trained_texts & {request_text(request.messages) for request in more}
    assert not trained_calls & {
        (name, json.dumps(arguments, ensure_ascii=False)) for one in more for name, arguments in one.expected_calls
    }


def test_corpora_on_disk(tmp_path: Path) -> None:
    files = write_corpora(tmp_path / "one", 3, 120, 150)
    again = write_corpora(tmp_path / "two", 3, 120, 150)
    assert files.chat.read_bytes() == again.chat.read_bytes()
    assert files.calls.read_bytes() == again.calls.read_bytes()

    chat = json.loads(files.chat.read_text(encoding="utf-8"))
    assert len(chat) == files.chat_rows == 120 + sum(BAD_ROWS["chat"].values())
    for row in chat:
        assert {turn["from"] for turn in row["conversations"]} <= {
            "human", "gpt", "system", "function_call", "observation",
        }  # fmt: skip
        assert isinstance(json.loads(row["tools"]), list)

    lines = files.calls.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == files.calls_rows == 150 + sum(BAD_ROWS["calls"].values())
    assert len(lines) - len(set(lines)) == BAD_ROWS["calls"]["duplicate"]
    unknown = missing = 0
    for row in rows:
        schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in row["tools"]}
        for name, arguments in calls_of(row["messages"]):
            if name not in schemas:
                unknown += 1
            elif not jsonschema.Draft202012Validator(schemas[name]).is_valid(json.loads(arguments)):
                missing += 1
    assert unknown == BAD_ROWS["calls"]["unknown_tool"]
    assert missing == BAD_ROWS["calls"]["missing_argument"]


def test_asking_for_more_than_there_is_says_so() -> None:
    with pytest.raises(RuntimeError, match="ask for fewer"):
        list(conversations(KindCounts(chat=60), 1, attempts=0))
