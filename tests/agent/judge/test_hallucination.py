"""Calls of tools that were not offered, on made answers and exactly on ToolBench's own."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from octupus.agent.judge.converted import converted_answer, read_answers
from octupus.agent.judge.hallucination import hallucinations

from .answers import answer, call, entry, node

FILES = {
    "G1_category": 2,
    "G1_instruction": 1,
    "G1_tool": 5,
    "G2_category": 16,
    "G2_instruction": 9,
    "G3_instruction": 9,
}
"""Hallucinating answers of the whole files of 100 rows, of which those beside this checkout are a part."""


def test_counts() -> None:
    found = hallucinations(
        [
            answer("1", calls=(call("look", {}), call("book", {}))),
            answer("2", calls=(call("fly", {}), call("fly", {}), call("Look", {}))),
            answer("3", finished=False),
        ]
    )
    assert (found.answers, found.hallucinating, found.calls, found.not_offered) == (3, 1, 7, 3)
    assert found.names == {"fly": 2, "Look": 1}
    assert found.rate.mean == pytest.approx(1 / 3)
    assert found.rate.standard_error == pytest.approx((2 / 9 / 3) ** 0.5)


def test_a_call_in_an_abandoned_branch_counts_and_finish_is_always_offered() -> None:
    made = entry()
    side = node("tool", call("fly", {}))
    made["answer"]["answer_details"] = [node("system", "", node("tool", call("Finish", {})), side)]
    assert hallucinations([converted_answer("1", made, "test")]).hallucinating == 1


def test_a_cut_name_counts_only_where_it_can_be_no_offered_one() -> None:
    made = entry(finished=False)
    made["answer"]["answer_details"] = [node("tool", "{'name': 'loo", node("tool", "{'name': 'fli"))]
    found = hallucinations([converted_answer("1", made, "test")])
    assert (found.unreadable, found.not_offered, found.names) == (1, 1, {"fli": 1})


def test_nothing_has_no_rate() -> None:
    assert hallucinations([]).rate.mean is None


@pytest.mark.parametrize("name", FILES)
def test_toolbench_answers_count_as_their_raw_text_does(shared: Callable[[str], Path], name: str) -> None:
    path = shared(f"corpora/toolbench/tooleval_converted_gpt35_CoT/{name}.json")
    found = hallucinations(read_answers(path).values())
    expected = independent_count(path)
    assert (found.answers, found.hallucinating, found.not_offered, found.calls) == expected
    assert found.unreadable == 0
    assert found.hallucinating <= FILES[name] <= found.hallucinating + 100 - found.answers


def independent_count(path: Path) -> tuple[int, int, int, int]:
    """Answers, hallucinating ones, such calls and all calls, by a pattern over each answer's text as JSON."""
    answers = hallucinating = wrong = calls = 0
    for row in json.loads(path.read_text("utf-8")).values():
        offered = {tool["name"] for tool in row["available_tools"]}
        called = re.findall(r'"role": "tool", "message": "\{\'name\': \'([^\']*)\'', json.dumps(row["answer"]))
        others = [name for name in called if name != "Finish" and name not in offered]
        answers, hallucinating = answers + 1, hallucinating + bool(others)
        wrong, calls = wrong + len(others), calls + len(called)
    return answers, hallucinating, wrong, calls
