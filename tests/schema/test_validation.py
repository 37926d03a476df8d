"""Validation and repair of tool schemas."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.schema.repair import normalise, normalise_parameters
from octupus.schema.validation import (
    InvalidJsonError,
    InvalidSchemaError,
    Violation,
    check_schema,
    parse_arguments,
    parse_json,
    validator,
    violations,
)

CITY = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
small_schemas = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "null"]),
        "enum": st.lists(scalars, min_size=1, max_size=3, unique_by=json.dumps),
        "minimum": st.integers(-5, 5),
        "maxLength": st.integers(0, 3),
        "minItems": st.integers(0, 2),
        "required": st.lists(st.sampled_from("ab"), unique=True),
    },
)


@pytest.mark.parametrize(
    ("instance", "expected"),
    [
        ({"city": "Rome"}, []),
        ({}, [("", "required")]),
        ({"city": 3}, [("/city", "type")]),
        ({"city": "Rome", "days": 1.5}, [("/days", "type")]),
    ],
)
def test_violations_name_pointer_and_keyword(instance: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert [(found.pointer, found.keyword) for found in violations(CITY, instance)] == expected


def test_pointer_escapes_names() -> None:
    schema = {"properties": {"a/b~c": {"type": "string"}}}
    assert violations(schema, {"a/b~c": 1})[0].pointer == "/a~1b~0c"


@given(small_schemas, values)
@settings(deadline=None)
def test_agrees_with_the_reference_implementation(schema: dict[str, Any], instance: Any) -> None:
    instance = json.loads(json.dumps(instance))
    expected = jsonschema.Draft202012Validator(schema).is_valid(instance)
    assert validator(schema).is_valid(instance) == expected


def test_equal_schemas_share_a_validator() -> None:
    assert validator({"type": "object", "minProperties": 7}) is validator({"minProperties": 7, "type": "object"})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "dict"},
        {"properties": {"a": {"type": "object", "required": None}}},
        {"properties": {"a": {"pattern": "("}}},
        {"$ref": "#/$defs/absent"},
    ],
)
def test_invalid_schemas_are_named(schema: dict[str, Any]) -> None:
    assert isinstance(check_schema(schema), Violation)
    with pytest.raises(InvalidSchemaError):
        validator(schema)


@pytest.mark.parametrize("place", ["http://127.0.0.1:9/x.json", "file:///etc/hostname", "other.json"])
def test_references_outside_the_schema_are_refused(place: str) -> None:
    violation = check_schema({"properties": {"a": {"$ref": place}}})
    assert violation is not None
    assert "only references inside the schema" in violation.message


def test_local_references_are_followed() -> None:
    schema = {"$defs": {"name": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/name"}}}
    assert check_schema(schema) is None
    assert violations(schema, {"a": 1})[0].pointer == "/a"


def test_half_a_character_is_a_violation_not_a_crash() -> None:
    assert violations({"type": "string"}, "\ud800")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "-Infinity"),
        ('{"a": 1e999}', "beyond a double"),
        ('{"a": 1, "a": 1}', "'a' is written twice"),
        ('{"a": {"b": 1, "b": 2}}', "'b' is written twice"),
        ("[1]", "must be a JSON object, not an array"),
        ('"x"', "not a string"),
        ("{'a': 1}", "Expecting property name"),
        ('{"a": 1} x', "Extra data"),
        ("", "Expecting value"),
        ('{"a":' * 100_000, "nested deeper than 200"),
        ("[" * 201 + "]" * 201, "nested deeper than 200"),
    ],
)
def test_arguments_are_strict(text: str, message: str) -> None:
    with pytest.raises(InvalidJsonError, match=message):
        parse_arguments(text)


@given(st.dictionaries(st.text(), values, max_size=4))
@settings(deadline=None)
def test_every_json_object_is_arguments(value: dict[str, Any]) -> None:
    assert parse_arguments(json.dumps(value)) == value


def test_errors_carry_line_and_column() -> None:
    with pytest.raises(InvalidJsonError) as caught:
        parse_json('{\n "a": }')
    assert (caught.value.line, caught.value.column) == (2, 7)


@pytest.mark.parametrize(
    ("foreign", "repaired"),
    [
        ({"type": "dict", "required": None}, {"type": "object"}),
        ({"type": "float"}, {"type": "number"}),
        ({"type": "any", "description": "x"}, {"description": "x"}),
        ({"type": ["int", "null"]}, {"type": ["integer", "null"]}),
        ({"items": {"type": "str"}}, {"items": {"type": "string"}}),
        ({"anyOf": [{"type": "list"}, True]}, {"anyOf": [{"type": "array"}, True]}),
        ({"properties": {"type": {"type": "bool"}}}, {"properties": {"type": {"type": "boolean"}}}),
        ({"default": None, "const": None}, {"default": None, "const": None}),
        ({"enum": ["dict", None]}, {"enum": ["dict", None]}),
    ],
)
def test_normalise(foreign: dict[str, Any], repaired: dict[str, Any]) -> None:
    assert normalise(foreign) == repaired


@pytest.mark.parametrize("empty", [{}, {"properties": None}, {"type": "dict"}])
def test_parameters_always_describe_an_object(empty: dict[str, Any]) -> None:
    assert normalise_parameters(empty) == {"type": "object", "properties": {}}


@pytest.mark.parametrize("text", ["[" * 200 + "]" * 200, '["' + "[" * 5000 + '\\""]', "[" + "[], " * 500 + "{}]"])
def test_depth_is_counted_outside_of_strings(text: str) -> None:
    assert parse_json(text) == json.loads(text)
