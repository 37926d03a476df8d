"""Schemas from strangers: too large, too deep, contradictory, or leading elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from octupus.schema.normal import ContradictorySchemaError, ReferenceSchemaError, SchemaLimitError, normalise
from octupus.schema.validation import InvalidSchemaError


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return schema


def chain(link: dict[str, Any], length: int) -> dict[str, Any]:
    """Definitions that each refer to the next, in the way that `link` does with "NEXT"."""
    text = json.dumps(link)
    definitions = {f"d{at}": json.loads(text.replace("NEXT", f"#/$defs/d{at + 1}")) for at in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{length}": {"type": "string"}}}


NEXT = {"$ref": "NEXT"}


@pytest.mark.parametrize(
    "schema",
    [
        nested(1_000),
        nested(20_000),
        {"type": "string", "description": "x" * 1_000_000},
        {str(at): {"a": 1} for at in range(100_000)},
        {"enum": list(range(10_001))},
        {"minimum": float("nan")},
        {"const": 10**2_000},
        {"anyOf": [{"const": at} for at in range(2_001)]},
        chain({"allOf": [NEXT, NEXT]}, 400),
        {
            "type": "object",
            "properties": {f"p{at}": {"type": "string"} for at in range(1_000)},
            "anyOf": [{"required": [f"p{at}"]} for at in range(120)],
        },
    ],
    ids=["deep", "deeper", "text", "wide", "enum", "nan", "digits", "anyOf", "chain", "product"],
)
def test_what_would_take_long_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaLimitError):
        normalise(schema)


@pytest.mark.parametrize(
    "link",
    [
        {"type": "object", "properties": {"a": NEXT, "b": NEXT}},
        {"type": "array", "items": NEXT, "minItems": 1},
        {"anyOf": [NEXT, {"type": "array", "items": NEXT}]},
        {"anyOf": [{"properties": {"a": NEXT}}, {"properties": {"b": NEXT}, "required": ["b"]}]},
        NEXT,
    ],
)
@pytest.mark.parametrize("length", [30, 500])
def test_what_multiplies_out_along_references_stays_small(link: dict[str, Any], length: int) -> None:
    schema = chain(link, length)
    try:
        normal = normalise(schema)
    except SchemaLimitError:
        assert length == 500
    else:
        assert len(json.dumps(normal.schema)) < 20 * len(json.dumps(schema))


def test_an_enum_of_5000_values_is_read() -> None:
    values = [f"value {at}" for at in range(5_000)]
    assert normalise({"type": "string", "enum": values}).schema == {"enum": values}


@pytest.mark.parametrize(
    ("schema", "keyword", "pointer"),
    [
        ({"$ref": "#"}, "$ref", ""),
        ({"allOf": [{"$ref": "#"}]}, "$ref", ""),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "$ref", ""),
        ({"type": "array", "items": {"$ref": "#"}, "minItems": 1}, "$ref", ""),
        ({"not": {}}, "not", "/not"),
        ({"enum": [1, "a"], "type": "null"}, "enum", "/enum"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "type", "/allOf/1/type"),
        ({"type": "string", "minLength": 2, "maxLength": 1}, "maxLength", "/maxLength"),
        ({"type": "string", "pattern": "^ab$", "maxLength": 1}, "pattern", "/pattern"),
        ({"type": "integer", "minimum": 1, "maximum": 2, "multipleOf": 3}, "maximum", "/maximum"),
        ({"type": "number", "minimum": 1, "exclusiveMaximum": 1}, "exclusiveMaximum", "/exclusiveMaximum"),
        ({"type": "array", "items": False, "minItems": 1}, "false", "/items"),
        (
            {"type": "object", "properties": {"a": {"type": "string", "enum": [1]}}, "required": ["a"]},
            "enum",
            "/properties/a/enum",
        ),
        (
            {"type": "object", "properties": {"a": {}}, "additionalProperties": False, "required": ["b"]},
            "false",
            "/additionalProperties",
        ),
    ],
)
def test_contradictions_name_the_innermost_cause(schema: dict[str, Any], keyword: str, pointer: str) -> None:
    with pytest.raises(ContradictorySchemaError) as refused:
        normalise(schema)
    assert (refused.value.keyword, refused.value.pointer) == (keyword, pointer)


@pytest.mark.parametrize(
    "reference",
    ["https://example.org/schema.json", "other.json#/a", "#/$defs/missing", "#missing", "#/required", "//["],
)
def test_references_out_of_the_schema_are_refused(reference: str) -> None:
    with pytest.raises(ReferenceSchemaError) as refused:
        normalise({"properties": {"a/b": {"$ref": reference}}, "required": ["a/b"]})
    assert refused.value.pointer == "/properties/a~1b/$ref"


@pytest.mark.parametrize("schema", [{"type": 12}, {"properties": [1]}, {"$ref": 5}, {"anyOf": {}}, {"required": "x"}])
def test_what_is_no_schema_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidSchemaError):
        normalise(schema)


def test_patterns_that_cost_too_much_are_left_out() -> None:
    schema = {"properties": {str(at): {"type": "string", "pattern": f"^(a?){{{at}}}$"} for at in range(300, 310)}}
    assert {note.keyword for note in normalise(schema).unexpressed} == {"pattern"}
