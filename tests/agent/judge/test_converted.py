"""Converted answers: what is read from trees and from ToolBench's own files, and what is refused with its place."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.agent.judge.converted import Step, converted_answer, read_answers
from octupus.errors import EvaluationError

from .answers import answer, call, chain, entry, node, write

NAMES = st.text(max_size=30)


def tool_step(message: Any) -> Step:
    made = entry(finished=False)
    made["answer"]["answer_details"] = [node("tool", message)]
    return converted_answer("1", made, "test").steps[0]


def test_a_chain_is_read() -> None:
    found = answer(text=" It is 7. ", calls=(call("look", {"at": 1}, "7"),))
    assert [step.role for step in found.chain] == ["system", "user", "tool", "tool"]
    assert found.steps == found.chain
    assert (found.chain[2].name, found.chain[2].arguments, found.chain[2].response) == ("look", '{"at": 1}', "7")
    assert (found.finished, found.gave_up, found.answer_text) == (True, False, "It is 7.")
    assert found.tool_names == {"look", "book", "Finish"}


def test_a_tree_is_walked_in_order_and_its_chain_takes_first_children() -> None:
    made = entry()
    left = node("tool", call("look", 1), node("tool", call("book", 2)))
    right = node("tool", call("book", 3), node("tool", call("Finish", {})))
    made["answer"]["answer_details"] = [node("system", "", left, right)]
    found = converted_answer("1", made, "test")
    assert [step.arguments for step in found.calls] == ["1", "2", "3", "{}"]
    assert [step.arguments for step in found.chain[1:]] == ["1", "2"]
    assert not found.finished


def test_thousands_of_steps_need_no_recursion() -> None:
    made = entry()
    made["answer"]["answer_details"] = [chain([("tool", call("look", {}))] * 20_000)]
    assert len(converted_answer("1", made, "test").chain) == 20_000


@given(NAMES, st.text(), st.text(), st.integers(min_value=0))
def test_every_cut_of_a_repr_gives_the_same_name_or_says_that_it_is_cut(
    name: str, arguments: str, response: str, length: int
) -> None:
    whole = {"name": name, "arguments": arguments, "response": response}
    assert tool_step(whole) == Step("tool", json.dumps(whole, ensure_ascii=False), name, False, arguments, response)
    text = repr(whole)
    parsed = tool_step(text)
    assert (parsed.name, parsed.arguments, parsed.response) == (name, arguments, response)
    start = text.index("'name': ") + len("'name': ") + 1
    cut = text[: start + length % (len(text) - start)]
    step = tool_step(cut)
    assert step.response is None
    if step.name_cut:
        assert len(cut) < start + len(repr(name)) - 1
    else:
        assert step.name == name
        assert step.arguments in (None, arguments)


@pytest.mark.parametrize(
    ("final", "gave_up", "text"),
    [
        ("", False, ""),
        ('{"return_type": "give_up_and_restart"}', True, ""),
        ('{"return_type": "give_answer"}', False, ""),
        ('{"return_type": "give_answer", "final_answer": "  "}', False, ""),
        ('{"return_type": "give_answer", "final_answer": "one\ntwo"}', False, "one\ntwo"),
        ('{"return_type": "give_answer", "final_answer": "I read give_up_and_restart."}', False, None),
        ('{"return_type": "give_up_and_restart", "final_', True, None),
        ('{"return_type": "give_answer", "final_answer": {"a": 1}}', False, '{"a": 1}'),
        ("just text", False, "just text"),
    ],
)
def test_final_answers(final: str, gave_up: bool, text: str | None) -> None:
    made = entry()
    made["answer"]["final_answer"] = final
    found = converted_answer("1", made, "test")
    assert found.gave_up == gave_up
    if text is not None:
        assert found.answer_text == text


def broken(place: str, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(entry(calls=(call("look", {}),)))
    target: Any = made
    *parents, last = place.split("/")
    for part in parents:
        target = target[int(part) if part.isdigit() else part]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return made


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("query", ..., "query 9 has no 'query'"),
        ("query", 3, "query 9: 'query' is a number and no text"),
        ("available_tools", {}, "'available_tools' is an object and no list"),
        ("available_tools", [{}], "available_tools[0] has no name"),
        ("answer", None, "'answer' is null and no object"),
        ("answer/method", ..., "answer has no 'method'"),
        ("answer/final_answer", None, "answer: 'final_answer' is null"),
        ("answer/answer_details", "x", "'answer_details' is a text and no list"),
        (
            "answer/answer_details/0/next/0/next/0/next",
            ...,
            ".answer_details[0].next[0].next[0]: the node has",
        ),
        ("answer/answer_details/0/next/0/next/0/message", "garbage", "no name can be read"),
        ("answer/answer_details/0/next/0/next/0/message", {"arguments": ""}, "a tool message has no name"),
        ("answer/answer_details/0/next/0/role", "robot", "answer_details[0].next[0]: role 'robot' is none of"),
        ("answer/answer_details/0/message", [], "message is a list and no text"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, place: str, value: Any, told: str) -> None:
    path = write(tmp_path / "answers.json", {"8": entry(), "9": broken(place, value)})
    with pytest.raises(EvaluationError) as error:
        read_answers(path)
    assert told in str(error.value)
    assert str(path) in str(error.value)
    assert "query 9" in str(error.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "is no JSON file"),
        (b"\xff", "is no JSON file"),
        (b"[]", "a list and no object"),
        (b'{"1": {}, "1": {}}', "key '1' is written twice"),
        (b'{"1": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deeply"),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "answers.json"
    path.write_bytes(content)
    with pytest.raises(EvaluationError, match=r"answers\.json") as error:
        read_answers(path)
    assert told in str(error.value)
    with pytest.raises(EvaluationError, match="does not exist"):
        read_answers(tmp_path / "nothing.json")
