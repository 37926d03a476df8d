"""Verdicts that bfcl-eval 2026.3.23's own checker gave; benchmarks/call_scorer.py compares the two at length."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.evaluate.calls.ast_rules import AdmissibleCall, MadeCall, check_call, check_calls
from octupus.evaluate.calls.ast_values import Mismatch, mismatch_of

ONE_VALUE: list[tuple[dict[str, Any], list[Any], Any, Mismatch | None]] = [
    # An integer stands for a float, a float for no integer, a boolean for neither.
    ({"type": "float"}, [5.0], 5, None),
    ({"type": "integer"}, [5], 5.0, Mismatch.WRONG_TYPE),
    ({"type": "integer"}, [1], True, Mismatch.WRONG_TYPE),
    ({"type": "integer"}, [5], 6, Mismatch.WRONG_VALUE),
    ({"type": "array", "items": {"type": "float"}}, [[1.5, 2.0]], [1.5, 2], Mismatch.WRONG_TYPE),
    # Texts lose spaces and some punctuation, whatever their case; inside lists, too.
    ({"type": "string"}, ["New York, NY"], "new york ny", None),
    ({"type": "string"}, ["it's"], 'it"s', None),
    ({"type": "string"}, ["New York"], "New York!", Mismatch.WRONG_VALUE),
    ({"type": "array", "items": {"type": "string"}}, [["A b", "C"]], ["ab", "c."], None),
    ({"type": "array", "items": {"type": "string"}}, [["a", "b"]], ["b", "a"], Mismatch.WRONG_VALUE),
    ({"type": "array", "items": {"type": "array"}}, [[["A"]]], [["a"]], Mismatch.WRONG_VALUE),
    # A value of the ground truth's type where the schema says another: a variable, compared exactly.
    ({"type": "integer"}, ["count"], "count", None),
    ({"type": "integer"}, ["count"], "Count", Mismatch.WRONG_VALUE),
    # Objects list the admissible values of each key.
    ({"type": "dict"}, [{"k": ["a", ""], "l": [1]}], {"l": 1}, None),
    ({"type": "dict"}, [{"k": ["a"], "l": [1]}], {"l": 1}, Mismatch.WRONG_VALUE),
    ({"type": "dict"}, [{"k": ["a"]}], {"k": "A", "m": 1}, Mismatch.WRONG_VALUE),
    ({"type": "dict"}, [{"k": ["a"]}, {"k": ["b"]}], {"k": "B"}, None),
    ({"type": "array", "items": {"type": "dict"}}, [[{"k": ["a"]}, {"k": ["b"]}]], [{"k": "a"}, {"k": "b"}], None),
    ({"type": "array", "items": {"type": "dict"}}, [[{"k": ["a"]}]], [{"k": "a"}] * 2, Mismatch.WRONG_VALUE),
    # "" is the empty text and the empty list besides, and no empty object.
    ({"type": "string"}, [""], ".", None),
    ({"type": "array", "items": {"type": "string"}}, [["a"], ""], [], None),
    ({"type": "dict"}, [""], {}, Mismatch.WRONG_VALUE),
    ({"type": "string"}, [], "a", Mismatch.WRONG_VALUE),
]


@pytest.mark.parametrize(("schema", "admissible", "value", "expected"), ONE_VALUE)
def test_values(schema: dict[str, Any], admissible: list[Any], value: Any, expected: Mismatch | None) -> None:
    assert mismatch_of(value, admissible, schema) == expected


def test_an_integer_beyond_every_float_is_wrong_and_no_crash() -> None:
    assert mismatch_of(10**400, [1.0], {"type": "float"}) == Mismatch.WRONG_VALUE


PARAMETERS = {
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"type": "string"}},
    "required": ["city"],
}
EXPECTED = AdmissibleCall("weather", {"city": ["Paris"], "days": [3], "unit": ["celsius", ""]})


@pytest.mark.parametrize(
    ("name", "arguments", "mismatch", "named"),
    [
        ("weather", {"city": "paris", "days": 3}, None, ""),
        ("weather", {"city": "Paris", "days": 3, "unit": "Celsius"}, None, ""),
        ("Weather", {"city": "Paris", "days": 3}, Mismatch.WRONG_TOOL, "Weather"),
        ("weather", {"days": 3}, Mismatch.MISSING_REQUIRED, "city"),
        ("weather", {"city": "Paris"}, Mismatch.MISSING_OPTIONAL, "days"),
        ("weather", {"city": "Paris", "days": 3, "hours": 1}, Mismatch.UNEXPECTED_ARGUMENT, "hours"),
        ("weather", {"city": "Paris", "days": "3"}, Mismatch.WRONG_TYPE, "days"),
        ("weather", {"city": "Rome", "days": 3}, Mismatch.WRONG_VALUE, "Rome"),
        ("weather", "{broken", Mismatch.NOT_AN_OBJECT, "{broken"),
    ],
)
def test_a_call(name: str, arguments: Any, mismatch: Mismatch | None, named: str) -> None:
    verdict = check_call(MadeCall(name, arguments), EXPECTED, PARAMETERS)
    assert verdict.mismatch == mismatch
    assert verdict.right == (mismatch is None)
    assert named in verdict.detail
    assert verdict.right or "weather" in verdict.detail


def of(*values: int) -> list[MadeCall]:
    return [MadeCall("f", {"x": value}) for value in values]


TOOL = {"f": {"properties": {"x": {"type": "integer"}}, "required": ["x"]}}


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=5).flatmap(
        lambda made: st.permutations(made).map(lambda p: (made, p))
    )
)
def test_the_order_of_calls_is_free(both: tuple[list[int], list[int]]) -> None:
    made, expected = both
    assert check_calls(of(*made), [AdmissibleCall("f", {"x": [value]}) for value in expected], TOOL).right


@given(st.lists(st.integers(0, 3), max_size=4), st.lists(st.integers(0, 3), max_size=4))
def test_calls_with_one_admissible_value_each_are_right_when_they_are_the_same_multiset(
    made: list[int], expected: list[int]
) -> None:
    verdict = check_calls(of(*made), [AdmissibleCall("f", {"x": [value]}) for value in expected], TOOL)
    assert verdict.right == (sorted(made) == sorted(expected))
    if len(made) != len(expected):
        assert verdict.mismatch == Mismatch.WRONG_COUNT


def test_a_call_that_was_taken_is_not_given_back() -> None:
    # 1 fits both expected calls and is taken by the first, though 2 would have done; so BFCL decides, too.
    expected = [AdmissibleCall("f", {"x": [1, 2]}), AdmissibleCall("f", {"x": [1]})]
    assert not check_calls(of(1, 2), expected, TOOL).right
    assert check_calls(of(2, 1), expected, TOOL).right


def test_of_several_calls_the_detail_says_what_is_wrong_with_those_of_the_tool() -> None:
    expected = [AdmissibleCall("f", {"x": [1]})] * 2
    verdict = check_calls([MadeCall("g", {}), *of(2)], expected, TOOL)
    assert verdict.mismatch == Mismatch.WRONG_VALUE
    assert "'x': 2" in verdict.detail
    assert check_calls(of(2, 3), expected, TOOL).mismatch == Mismatch.NO_MATCH
