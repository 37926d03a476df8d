"""The oracle's reading of ground truth: no text is evaluated, and source syntax says what the value is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bfcl_oracle.answers import Call, any_call, multi_turn_call, single_turn_call
from tests.bfcl_oracle.failures import Selection
from tests.bfcl_oracle.source_syntax import java_source, javascript_source

LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
NAMES = st.from_regex(r"[a-z][a-z_]{0,8}x", fullmatch=True)


def python_tool(**properties: Any) -> dict[str, Any]:
    return {"name": "shop.order", "parameters": {"type": "dict", "properties": properties, "required": ["count"]}}


@given(NAMES, st.lists(LITERALS, max_size=2), st.dictionaries(NAMES, LITERALS, max_size=3))
def test_a_call_string_gives_back_its_literals(name: str, positional: list[Any], named: dict[str, Any]) -> None:
    written = [repr(value) for value in positional] + [f"{key}={value!r}" for key, value in named.items()]

    assert multi_turn_call(f"{name}({', '.join(written)})") == Call(name, named, tuple(positional))


@pytest.mark.parametrize(
    "source", ["f(x=g())", "f(x=open('a'))", "a.f()", "f(1 + y)", "(lambda: 1)()", "f", "f(); g()"]
)
def test_what_is_no_call_with_literals_is_refused(source: str) -> None:
    with pytest.raises((ValueError, SyntaxError)):
        multi_turn_call(source)


def test_positional_values_take_the_first_names_of_the_tool() -> None:
    tool = {"name": "sort", "parameters": {"properties": {"file_name": {}, "order": {}, "unique": {}}}}

    assert multi_turn_call("sort('a.txt', 'down', unique=True)").named([tool]) == {
        "file_name": "a.txt",
        "order": "down",
        "unique": True,
    }


def test_the_first_admissible_value_is_sent_and_what_may_be_left_out_is() -> None:
    string, array_of_dicts = {"type": "string"}, {"type": "array", "items": {"type": "dict"}}
    tool = python_tool(
        count={"type": "integer"}, note=string, options={"type": "dict"}, lines=array_of_dicts, kind=string
    )
    truth: dict[str, list[Any]] = {
        "count": ["", 3, 4],
        "note": ["", "soon"],
        "kind": ["a", "b"],
        "options": [{"size": ["L", "M"], "colour": ["", "red"]}],
        "lines": [[{"sku": [7, 8]}, {"sku": [9]}]],
        "unknown": ["the tool has no such argument"],
    }

    assert single_turn_call({"shop.order": truth}, tool, "python") == Call(
        "shop_order", {"count": 3, "kind": "a", "options": {"size": "L"}, "lines": [{"sku": 7}, {"sku": 9}]}
    )


@given(st.lists(st.integers() | st.booleans()) | st.dictionaries(st.text(), LITERALS) | st.booleans() | st.integers())
def test_javascript_is_written_as_javascript_reads_it(value: Any) -> None:
    assert json.loads(javascript_source(value, {"type": "any"})) == value


@pytest.mark.parametrize(
    ("value", "schema", "source"),
    [
        (True, {"type": "boolean"}, "true"),
        (5, {"type": "long"}, "5L"),
        (0.5, {"type": "float"}, "0.5f"),
        (0.5, {"type": "double"}, "0.5"),
        ("mapArea", {"type": "HashMap"}, "mapArea"),
        ([1, 2], {"type": "Array", "items": {"type": "long"}}, "new long[]{1L, 2L}"),
        (["-v"], {"type": "Array", "items": {"type": "String"}}, "new String[]{-v}"),
        (["a", "b"], {"type": "ArrayList", "items": {"type": "String"}}, 'new ArrayList<>(Arrays.asList("a", "b"))'),
        ([1, 2], {"type": "ArrayList", "items": {"type": "long"}}, "new ArrayList<>(Arrays.asList(1L, 2L))"),
        ([], {"type": "ArrayList", "items": {"type": "long"}}, "new ArrayList<>()"),
        (
            {"limit": 50, "on": True, "name": "x"},
            {"type": "HashMap"},
            'new HashMap<String, Object>() {{ put("limit", 50); put("on", true); put("name", "x"); }}',
        ),
    ],
)
def test_java_is_written_as_the_reader_of_bfcl_takes_it(value: Any, schema: dict[str, Any], source: str) -> None:
    assert java_source(value, schema) == source


def test_any_call_has_every_required_argument_in_its_type() -> None:
    properties = {
        "a": {"type": "integer"},
        "b": {"enum": ["x", "y"], "type": "string"},
        "c": {"type": "array"},
        "d": {},
    }
    tool = {"name": "f", "parameters": {"properties": properties, "required": list("abc")}}

    assert any_call(tool) == Call("f", {"a": 1, "b": "x", "c": []})
    assert any_call({"name": "bare"}) == Call("bare", {})


@given(st.lists(st.text(min_size=1), min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_a_share_is_the_same_every_time_and_grows_with_the_share(ids: list[str], one: float, other: float) -> None:
    smaller, larger = (Selection(share=share) for share in sorted((one, other)))
    taken = [item for item in ids if smaller.takes(item, "")]

    assert taken == [item for item in ids if smaller.takes(item, "")]
    assert all(larger.takes(item, "") for item in taken)
    assert all(Selection.parse("1").takes(item, "") and not Selection.parse("0").takes(item, "") for item in ids)


def test_a_share_of_many_items_is_about_that_share() -> None:
    taken = sum(Selection.parse("0.25").takes(f"item_{number}", "") for number in range(4000))

    assert 900 < taken < 1100


def test_a_selection_is_spelled_as_the_command_line_has_it() -> None:
    assert Selection.parse("all").everything
    assert not Selection.parse("1").everything
    first = Selection.parse("first:2")
    assert [first.takes("a", "b") for _ in range(4)] == [True, True, False, False]
    named = Selection.parse("simple_python_3,irrelevance")
    assert [
        named.takes(*each) for each in (("simple_python_3", "simple_python"), ("irrelevance_1", "irrelevance"))
    ] == [
        True,
        True,
    ]
    assert not named.takes("simple_python_30", "simple_python")
    with pytest.raises(ValueError, match="between 0 and 1"):
        Selection.parse("1.5")
