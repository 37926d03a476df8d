import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.evaluate.calls.strict import exactly_equal, leaves

from .test_admissible import VALUES

CALLS = st.lists(
    st.tuples(st.sampled_from(("f", "g")), st.dictionaries(st.text(max_size=2), VALUES, max_size=3)), max_size=4
)


@given(CALLS.flatmap(lambda calls: st.permutations(calls).map(lambda shuffled: (calls, shuffled))))
def test_order_of_calls_and_keys_is_free(both: tuple[list[Any], list[Any]]) -> None:
    calls, shuffled = both
    turned = [(name, dict(reversed(arguments.items()))) for name, arguments in shuffled]
    assert exactly_equal(calls, turned)
    assert leaves(calls) == leaves(turned)


@given(CALLS, CALLS)
def test_equal_calls_have_equal_json_and_equal_leaves(first: list[Any], second: list[Any]) -> None:
    if exactly_equal(first, second):
        assert leaves(first) == leaves(second)
    else:
        assert json.dumps(first, sort_keys=True) != json.dumps(second, sort_keys=True)


@pytest.mark.parametrize(
    ("value", "other", "equal"),
    [
        (1, 1.0, True),
        ([1, {"a": 2.0}], [1.0, {"a": 2}], True),
        (0.0, -0.0, True),
        (1, True, False),
        (0, False, False),
        (1, "1", False),
        (None, "null", False),
        ([1, 2], [2, 1], False),
        ("Paris", "paris", False),
        ({}, [], False),
        ({}, None, False),
    ],
)
def test_values_are_equal_as_json(value: Any, other: Any, equal: bool) -> None:
    assert exactly_equal([("f", {"x": value})], [("f", {"x": other})]) == equal
    assert (leaves([("f", {"x": value})]) == leaves([("f", {"x": other})])) == equal


def test_a_call_made_twice_is_not_made_once() -> None:
    call = ("f", {"x": 1})
    assert not exactly_equal([call, call], [call])


def test_leaves_have_tool_pointer_and_value() -> None:
    arguments = {"a/b": {"c~": [1.0, "x"]}, "empty": [], "none": None}
    found = leaves([("f", arguments), ("g", {}), ("f", copy.deepcopy(arguments))])
    assert found == {
        ("f", "/a~1b/c~0/0", "1"): 2,
        ("f", "/a~1b/c~0/1", '"x"'): 2,
        ("f", "/empty", "[]"): 2,
        ("f", "/none", "null"): 2,
    }
