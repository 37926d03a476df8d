"""The rule judge: states, answers and calls against golden ones."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.agent.judge.converted import converted_answer
from octupus.agent.judge.golden import Golden, answer_matches, numbers_in, parts_of, read_golden
from octupus.agent.judge.pass_rate import vote_on
from octupus.agent.judge.rule_judge import RuleJudge, same_json
from octupus.errors import EvaluationError

from .answers import answer, call, entry, node

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def judged(golden: dict[str, Any], **made: Any) -> tuple[str, str]:
    judge = RuleJudge({"1": Golden(query_id="1", **golden)})
    verdict = asyncio.run(judge.answer_status(answer(**made), 0))
    return verdict.status, verdict.reason


@pytest.mark.parametrize(
    ("match", "answers", "text", "right"),
    [
        ("exact", ["Oslo", "Oslo, Norway"], " oslo,  NORWAY ", True),
        ("exact", ["Oslo"], "It is Oslo", False),
        ("contains", ["7", "Oslo"], "In Oslo it is 7.", True),
        ("contains", ["7", "Oslo"], "In Oslo it is 8.", False),
        ("contains", ["7"], "It is 17.", False),
        ("contains", ["7"], "It is 7.5", False),
        ("contains", ["7"], "It is 1,7", False),
        ("contains", ["new york"], "In New\nYork.", True),
        ("contains", ["C++"], "Learn C++ now", True),
        ("contains", ["北京"], "北京", True),
        ("contains", ["485"], "余额为485元。", True),
        ("contains", ["48"], "余额为485元。", False),
        ("numeric", ["485"], "余额为485元。", True),
        ("numeric", ["1200"], "It costs $1,200.00.", True),
        ("numeric", ["-3"], "It is -3 °C", True),
        ("numeric", ["3"], "It is -3 °C", False),
        ("numeric", ["5"], "It is 5km away", True),
        ("numeric", ["11"], "On 2020-11-05", False),
        ("numeric", ["0.3"], f"It is {0.1 + 0.2}", True),
        ("numeric", ["30"], "At 10:30", False),
        ("numeric", ["2.5e3"], "2500", True),
        ("set", ["Rome", "Oslo"], "Oslo and Rome.", True),
        ("set", ["Rome", "Oslo"], "oslo; rome", True),
        ("set", ["Rome", "Oslo"], "Oslo\nRome\nBonn", False),
        ("set", ["Rome", "Oslo"], "Oslo", False),
    ],
)
def test_answers(match: str, answers: list[str], text: str, right: bool) -> None:
    assert answer_matches(Golden(query_id="1", match=match, answers=answers), text) == right


@given(st.floats(-1e9, 1e9), st.floats(0, 100), st.floats(-200, 200))
def test_a_number_is_right_within_the_tolerance(wanted: float, tolerance: float, off: float) -> None:
    golden = Golden(query_id="1", match="numeric", answers=(f"{wanted:.3f}",), tolerance=tolerance)
    value = round(float(f"{wanted:.3f}") + off, 3)
    distance = abs(value - float(f"{wanted:.3f}"))
    if abs(distance - tolerance) > 2:
        assert answer_matches(golden, f"It is {value:,.3f} or so.") == (distance < tolerance)


@given(st.lists(st.integers(-(10**9), 10**9), max_size=6))
def test_numbers_are_found_however_they_are_written(numbers: list[int]) -> None:
    assert numbers_in("; ".join(map(str, numbers))) == numbers
    assert numbers_in(" and ".join(f"{number:,}" for number in numbers)) == numbers


def test_parts() -> None:
    assert parts_of("Rome, Oslo and Bonn.") == {"rome", "oslo", "bonn"}
    assert parts_of("Sand and Bandon") == {"sand", "bandon"}


def test_the_state_must_be_equal_as_json() -> None:
    golden = {"state": {"bank": {"a": 1, "b": [1, 2]}}}
    assert judged(golden, state={"bank": {"b": [1.0, 2], "a": 1}}) == ("Solved", "as the golden answer has it")
    assert judged(golden, state={"bank": {"b": [2, 1], "a": 1}}) == ("Unsolved", "the final state is another one")
    assert judged(golden, state={"bank": {"a": 1, "b": [1, 2]}, "shop": {"cart": []}})[0] == "Solved"
    with pytest.raises(EvaluationError, match="query 1 has a golden state, but its answer holds none"):
        judged(golden)


@given(JSON, JSON)
def test_the_same_json_is_that_of_equal_values(left: Any, right: Any) -> None:
    assert same_json(left, json.loads(json.dumps(left)))
    if same_json(left, right):
        assert left == right


def test_true_is_not_one() -> None:
    assert not same_json({"a": True}, {"a": 1})
    assert same_json({"a": 1.0}, {"a": 1})


def test_all_that_is_given_must_hold_and_what_does_not_is_named() -> None:
    golden = {"answers": ["7"], "calls": [{"name": "book", "arguments": {"n": 2}}], "state": {"x": 1}}
    made = (call("book", {"n": 2, "m": 3}), call("look", {}))
    assert judged(golden, calls=made, state={"x": 1})[0] == "Solved"
    status, reason = judged(golden, text="8", calls=(call("book", {"n": 3}),), state={})
    assert status == "Unsolved"
    for part in ("the final state is another one", "does not match (contains) 7", 'book was not called with {"n": 2}'):
        assert part in reason


def test_a_call_of_an_abandoned_branch_does_not_count() -> None:
    made = entry()
    good = node("tool", call("Finish", {}))
    made["answer"]["answer_details"] = [node("system", "", good, node("tool", call("book", {})))]
    judge = RuleJudge({"1": Golden.model_validate({"query_id": "1", "calls": [{"name": "book"}]})})
    assert asyncio.run(judge.answer_status(converted_answer("1", made, "test"), 0)).status == "Unsolved"


def test_arguments_that_the_file_cuts_off_are_not_guessed() -> None:
    made = entry()
    made["answer"]["answer_details"] = [node("tool", "{'name': 'book', 'arguments': '{\"n\": ")]
    judge = RuleJudge({"1": Golden.model_validate({"query_id": "1", "calls": [{"name": "book", "arguments": {}}]})})
    with pytest.raises(EvaluationError, match="cuts off the arguments of book"):
        asyncio.run(judge.answer_status(converted_answer("1", made, "test"), 0))


@pytest.mark.parametrize(
    ("made", "passes"),
    [
        ({"text": None, "kind": "give_up_and_restart"}, True),
        ({"text": ""}, True),
        ({"text": "It is 7."}, False),
        ({"finished": False}, False),
    ],
)
def test_what_cannot_be_solved_passes_by_giving_up_alone(made: dict[str, Any], passes: bool) -> None:
    judge = RuleJudge({"1": Golden(query_id="1", solvable=False)})
    assert asyncio.run(vote_on(answer(**made), judge, 0, solvability=True)).passed(False) is passes


def test_giving_up_what_can_be_solved_fails_even_in_the_golden_state() -> None:
    judge = RuleJudge({"1": Golden(query_id="1", state={})})
    gave_up = answer(text=None, kind="give_up_and_restart", state={})
    assert asyncio.run(vote_on(gave_up, judge, 0, solvability=True)).passed(True) is False


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "golden.jsonl:2 is no JSON"),
        ('{"query_id": "2"}', "no state, answers or calls"),
        ('{"query_id": "2", "answers": [" "]}', "empty answer"),
        ('{"query_id": "2", "answers": ["a few"], "match": "numeric"}', "is no single number"),
        ('{"query_id": "2", "answer": ["x"]}', "golden.jsonl:2: answer: Extra inputs"),
        ('{"query_id": "1", "answers": ["x"]}', "query 1 has a golden answer already"),
    ],
)
def test_golden_lines_that_are_wrong(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "golden.jsonl"
    path.write_text('{"query_id": "1", "answers": ["a\\u2028b"]}\n' + line + "\n")
    with pytest.raises(EvaluationError) as error:
        read_golden(path)
    assert told in str(error.value)


def test_golden_files(tmp_path: Path) -> None:
    lines = [{"query_id": "1", "answers": ["a\u2028b"]}, {"query_id": "2", "solvable": False}]
    (tmp_path / "golden.jsonl").write_text("\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines))
    (tmp_path / "golden.json").write_text(json.dumps(lines))
    assert read_golden(tmp_path / "golden.jsonl") == read_golden(tmp_path / "golden.json")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(EvaluationError, match="holds no golden answers"):
        read_golden(tmp_path / "empty.jsonl")
