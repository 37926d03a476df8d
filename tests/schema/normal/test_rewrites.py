"""Rewrites, each by the normal form that it leads to."""

from __future__ import annotations

from typing import Any

import pytest

from octupus.schema.normal import normalise

DRAFT_04 = "http://json-schema.org/draft-04/schema#"
DRAFT_07 = "http://json-schema.org/draft-07/schema#"
STRING = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (True, {}),
        ({"title": "x", "nullable": True}, {}),
        ({"const": "a"}, {"enum": ["a"]}),
        ({"enum": [1, 1.0, True, "a"]}, {"enum": [1, True, "a"]}),
        ({"enum": [1, 5, "a"], "minimum": 3}, {"enum": [5, "a"]}),
        ({"type": ["string", "null"]}, {"anyOf": [{"type": "null"}, STRING]}),
        ({"type": ["integer", "number"]}, {"type": "number"}),
        (
            {
                "type": "integer",
                "exclusiveMinimum": 1,
                "maximum": 7.5,
                "allOf": [{"multipleOf": 2}, {"multipleOf": 1.5}],
            },
            {"type": "integer", "minimum": 2, "maximum": 7, "multipleOf": 6},
        ),
        (
            {"$schema": DRAFT_04, "type": "number", "minimum": 1, "exclusiveMinimum": True},
            {"type": "number", "exclusiveMinimum": 1},
        ),
        (
            {"$schema": DRAFT_07, "type": "array", "items": [STRING], "additionalItems": False},
            {"type": "array", "prefixItems": [STRING], "items": False},
        ),
        ({"$schema": DRAFT_07, "$ref": "#/definitions/a", "maxLength": 1, "definitions": {"a": STRING}}, STRING),
        (
            {"$ref": "#/$defs/a", "maxLength": 1, "$defs": {"a": STRING}},
            {"type": "string", "maxLength": 1},
        ),
        ({"type": "array", "prefixItems": [STRING, False]}, {"type": "array", "prefixItems": [STRING], "maxItems": 1}),
        (
            {"type": "object", "propertyNames": {"enum": ["a"]}, "additionalProperties": STRING},
            {"type": "object", "properties": {"a": STRING}, "additionalProperties": False},
        ),
        (
            {"type": "object", "propertyNames": {"pattern": "^a"}, "additionalProperties": STRING},
            {"type": "object", "patternProperties": {"^a": STRING}, "additionalProperties": False},
        ),
        (
            {"type": "object", "properties": {"a": STRING, "b": False}, "unevaluatedProperties": False},
            {"type": "object", "properties": {"a": STRING}, "additionalProperties": False},
        ),
        (
            {"type": "object", "properties": {"ab": {"maxLength": 3}}, "patternProperties": {"^a": STRING}},
            {
                "type": "object",
                "properties": {"ab": {"type": "string", "maxLength": 3}},
                "patternProperties": {"^a": STRING},
            },
        ),
        (
            {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {
                "anyOf": [
                    {"type": "object", "properties": {"b": {"enum": []}}, "required": ["a"]},
                    {"type": "object", "properties": {"a": {"enum": []}}, "required": ["b"]},
                ]
            },
        ),
        (
            {
                "type": "object",
                "properties": {"kind": {"enum": ["x", "y"]}},
                "required": ["kind"],
                "if": {"properties": {"kind": {"const": "x"}}},
                "then": {"required": ["a"]},
            },
            {
                "anyOf": [
                    {"type": "object", "properties": {"kind": {"enum": ["x"]}}, "required": ["kind", "a"]},
                    {"type": "object", "properties": {"kind": {"enum": ["y"]}}, "required": ["kind"]},
                ]
            },
        ),
        ({"anyOf": [{"const": "a"}, {"const": "b"}, {"type": "string", "enum": [1]}]}, {"enum": ["a", "b"]}),
        ({"type": "boolean", "not": {"const": True}}, {"enum": [False]}),
        ({"anyOf": [{"$ref": "#"}, STRING]}, STRING),
    ],
)
def test_rewrites_are_exact(schema: Any, expected: dict[str, Any]) -> None:
    normal = normalise(schema)
    assert normal.unexpressed == ()
    # Python holds 1 and True to be equal.
    assert repr(normal.schema) == repr(expected)


@pytest.mark.parametrize(
    ("members", "exact"),
    [
        ([STRING, {"type": "integer"}], True),
        ([{"type": "integer", "maximum": 3}, {"type": "number", "exclusiveMinimum": 3}], True),
        ([{"type": "integer", "maximum": 3}, {"type": "number", "minimum": 3}], False),
        ([{"type": "string", "maxLength": 3}, {"type": "string", "minLength": 4}], True),
        ([{"type": "string", "pattern": "^a"}, {"type": "string", "pattern": "^b"}], False),
        # The value that both list is left out.
        ([{"enum": ["a", 1]}, {"enum": ["b", 1.0]}], True),
        (
            [{"properties": {"k": {"const": at}}, "required": ["k"], "type": "object"} for at in range(3)],
            True,
        ),
        (
            [
                {"type": "object", "properties": {"a": {}}, "required": ["a"]},
                {"type": "object", "properties": {"b": {}}, "additionalProperties": False},
            ],
            True,
        ),
        ([{"type": "object", "properties": {"a": STRING}}, {"type": "object", "properties": {"b": STRING}}], False),
    ],
)
def test_one_of_is_any_of_only_where_its_members_exclude_each_other(members: list[Any], exact: bool) -> None:
    notes = normalise({"oneOf": members}).unexpressed
    assert [note.keyword for note in notes] == ([] if exact else ["oneOf"])
    assert exact or "/oneOf/0 and /oneOf/1" in notes[0].explanation


def test_recursion_stays_a_reference() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}
    normal = normalise(tree)
    assert normal.schema["$ref"] == "#/$defs/root"
    properties = normal.schema["$defs"]["root"]["properties"]
    assert properties == {"left": {"$ref": "#/$defs/root"}, "right": {"$ref": "#/$defs/root"}}


def test_closing_follows_the_merge_and_leaves_open_what_says_so() -> None:
    merged = {"allOf": [{"properties": {"a": STRING}}, {"properties": {"b": STRING}}], "type": "object"}
    closed = normalise(merged, closed=True).schema
    assert closed == {"type": "object", "properties": {"a": STRING, "b": STRING}, "additionalProperties": False}
    opened = {"type": "object", "properties": {"a": STRING}, "additionalProperties": True}
    assert normalise(opened, closed=True).schema == {"type": "object", "properties": {"a": STRING}}
    assert normalise({"type": "object"}, closed=True).schema == {"type": "object"}
    empty = {"type": "object", "properties": {}}
    assert normalise(empty, closed=True).schema == {"type": "object", "additionalProperties": False}


def test_pointers_lead_into_the_original() -> None:
    schema = {"type": "object", "properties": {"a/b": {"allOf": [{"$ref": "#/$defs/c"}]}}, "$defs": {"c": STRING}}
    normal = normalise(schema)
    assert normal.pointers[id(normal.schema)] == ""
    assert normal.pointers[id(normal.schema["properties"]["a/b"])] == "/properties/a~1b"
