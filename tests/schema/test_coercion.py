"""Arguments respelled."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.schema.coercion import coerce
from octupus.schema.validation import InvalidSchemaError, check_schema, validator, violations

STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
BOOLEAN, NULL = {"type": "boolean"}, {"type": "null"}
UNIT = {"type": "string", "enum": ["celsius", "kelvin"]}


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def record(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("value", "schema", "repaired"),
    [
        ("3", INTEGER, 3),
        ("-3", NUMBER, -3),
        ("2.5", NUMBER, 2.5),
        ("true", BOOLEAN, True),
        ("False", BOOLEAN, False),
        (5, STRING, "5"),
        (2.5, STRING, "2.5"),
        (True, STRING, "true"),
        ("Oban", array(STRING), ["Oban"]),
        (3, array(INTEGER), [3]),
        ("[1, 2]", array(INTEGER), [1, 2]),
        ('["a"]', array(STRING), ["a"]),
        ('{"a": 1}', record(a=INTEGER), {"a": 1}),
        (" Celsius", UNIT, "celsius"),
        ("3", {"type": ["integer", "null"]}, 3),
        ("3", {"anyOf": [INTEGER, NULL]}, 3),
        ("3", {"$ref": "#/$defs/count", "$defs": {"count": INTEGER}}, 3),
        (5, {"anyOf": [STRING, array(STRING)]}, "5"),
    ],
)
def test_repairs(value: Any, schema: dict[str, Any], repaired: Any) -> None:
    result, changed = coerce(value, schema)
    assert json.dumps(result) == json.dumps(repaired)
    assert changed == [""]


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ("three", INTEGER),
        ("3.0", INTEGER),
        ("007", INTEGER),
        (" 3", INTEGER),
        ("1e400", NUMBER),
        ("9" * 5000, INTEGER),
        ("NaN", NUMBER),
        (2.5, INTEGER),
        (1, BOOLEAN),
        (True, INTEGER),
        ("TRUE", BOOLEAN),
        ("yes", BOOLEAN),
        (None, STRING),
        (None, array(STRING)),
        ([1], STRING),
        ("3", array(INTEGER)),
        ("a", {"type": "array"}),
        ("['a']", array(STRING)),
        ("{'a': 1}", record(a=INTEGER)),
        ('{"a": 1, "a": 2}', record(a=INTEGER)),
        ('{"a": "x"}', record(a=INTEGER)),
        ("K", UNIT),
        ("A ", {"enum": ["A", "a"]}),
        ("3", {"type": "integer", "minimum": 5}),
        ("1", {"enum": [1]}),
        ("3", {"anyOf": [INTEGER, {"type": "integer", "not": {}}], "not": {}}),
        ({"a": {"a": "3"}}, {**record(a={"$ref": "#"}), "required": ["b"]}),
        ({"a": "3"}, {"anyOf": [record(a=INTEGER), record(a=BOOLEAN)]}),
        (3.0, {"type": "integer", "maximum": 2}),
    ],
)
def test_nothing_else_is_guessed(value: Any, schema: dict[str, Any]) -> None:
    result, changed = coerce(value, schema)
    assert json.dumps(result) == json.dumps(value)
    assert not changed


def test_members_are_repaired_at_every_depth() -> None:
    schema = {
        **record(days=array(INTEGER), **{"a/b": record(unit=UNIT)}),
        "additionalProperties": {"$ref": "#/$defs/flag"},
        "$defs": {"flag": BOOLEAN},
    }
    value = {"days": ["1", 2, 3.0], "a/b": {"unit": "KELVIN", "other": "3"}, "live": "True"}
    before = copy.deepcopy(value)
    result, changed = coerce(value, schema)
    assert result == {"days": [1, 2, 3], "a/b": {"unit": "kelvin", "other": "3"}, "live": True}
    assert changed == ["/days/0", "/days/2", "/a~1b/unit", "/live"]
    assert value == before


def test_what_can_be_repaired_is_beside_what_cannot() -> None:
    assert coerce({"a": "3", "b": "x"}, record(a=INTEGER, b=INTEGER)) == ({"a": 3, "b": "x"}, ["/a"])


def test_json_text_is_repaired_inside() -> None:
    assert coerce('{"a": "3"}', record(a=INTEGER)) == ({"a": 3}, ["", "/a"])


def test_integers_written_as_floats_become_integers() -> None:
    result, changed = coerce({"a": 3.0, "b": 3.0, "c": 1e300}, record(a=INTEGER, b=NUMBER, c=INTEGER))
    assert json.dumps(result) == '{"a": 3, "b": 3.0, "c": 1e+300}'
    assert changed == ["/a"]


def test_tuples_have_a_schema_for_each_place() -> None:
    schema = {"type": "array", "prefixItems": [INTEGER, STRING], "items": BOOLEAN}
    assert coerce(["1", 2, "true"], schema) == ([1, "2", True], ["/0", "/1", "/2"])


def test_an_invalid_schema_is_an_error() -> None:
    with pytest.raises(InvalidSchemaError):
        coerce(1, {"type": "int"})


def test_deep_values_do_not_exhaust_the_stack() -> None:
    value: Any = "3"
    for _ in range(200):
        value = [value]
    schema = {"$ref": "#/$defs/tree", "$defs": {"tree": {"anyOf": [INTEGER, array({"$ref": "#/$defs/tree"})]}}}
    assert coerce(value, schema) == (value, [])


scalars = st.sampled_from(["3", "2.5", "true", "x", "X ", '["3"]', '{"a": "3"}', "[", 3, 3.0, 2.5, True, None, ""])
leaves = st.sampled_from([STRING, INTEGER, NUMBER, BOOLEAN, {}, {"type": "array"}]) | st.sampled_from(
    [
        {"enum": ["x", 3]},
        {"type": ["integer", "null"]},
        {"type": "integer", "minimum": 9},
        {"type": "string", "maxLength": 1},
    ]
)
schemas = st.recursive(
    leaves,
    lambda inner: (
        inner.map(array)
        | st.fixed_dictionaries({}, optional={"a": inner, "b": inner}).map(lambda properties: record(**properties))
    ),
    max_leaves=5,
)
unions = st.lists(schemas, min_size=2, max_size=3).map(lambda members: {"anyOf": members}) | schemas
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)


@given(values, unions)
@settings(deadline=None)
def test_valid_values_stay_equal_and_repairs_are_final(value: Any, schema: dict[str, Any]) -> None:
    before = copy.deepcopy(value)
    result, changed = coerce(value, schema)
    assert value == before
    assert result == value or not validator(schema).is_valid(value)
    assert result == value or changed
    assert coerce(result, schema) == (result, [])
    assert len(violations(schema, result)) <= len(violations(schema, value))


@given(values, schemas)
@settings(deadline=None)
def test_changed_places_are_valid(value: Any, schema: dict[str, Any]) -> None:
    result, changed = coerce(value, schema)
    for pointer in changed:
        part, subschema = result, schema
        for step in pointer.split("/")[1:]:
            part = part[int(step)] if isinstance(part, list) else part[step]
            subschema = subschema["items"] if "items" in subschema else subschema["properties"][step]
        assert validator(subschema).is_valid(part)


def test_valid_real_instances_stay_equal(shared: Callable[[str], Path]) -> None:
    with shared("corpora/json_schemas/maskbench_sample.jsonl").open() as lines:
        for line in list(lines)[::4]:
            row = json.loads(line)
            if check_schema(row["schema"]):
                continue
            for test in row["tests"]:
                result, _ = coerce(test["data"], row["schema"])
                assert result == test["data"] or not validator(row["schema"]).is_valid(test["data"])
