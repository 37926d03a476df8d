"""Normal forms that the tests of this package walk through."""

from typing import Any

from octupus.schema.normal import NormalSchema

Schema = dict[str, Any]


def closed(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
SCHEMAS: dict[str, Schema] = {
    "anything": {},
    "call": closed(
        {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["celsius", "fahrenheit"]}}, "city"
    ),
    "lengths": {"type": "array", "items": {"type": "string", "minLength": 2, "maxLength": 3}, "maxItems": 2},
    "length": {"type": "string", "minLength": 5, "maxLength": 9},
    "pairs": {"type": "array", "items": PAIR, "minItems": 2, "maxItems": 3},
    "range": closed({"a": {"type": "integer", "minimum": -12, "maximum": 103}, "b": {"type": "integer", "minimum": 7}}),
    "mixed": {"enum": ["", 'a"b', "\\", "a\n", " 京", "京", "é", "🌧", 1, 12, -0.5, True, None]},
    "keys": closed({'"': {"type": "null"}, "\\\t": {"type": "null"}, "京": {}, "京都": {"type": "boolean"}}, "京都"),
    "map": {"type": "object", "additionalProperties": {"type": "integer"}},
    "map with a required key": {"type": "object", "required": ["ab"], "additionalProperties": {"type": "null"}},
    "map of lengths": {"type": "object", "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 4}},
    "map with odd keys": {
        "type": "object",
        "required": ["京都", '"\\ n'],
        "additionalProperties": {"type": "null"},
    },
    "empty": closed({}),
    "no items": {"type": "array", "items": False},
    "overlap": {
        "anyOf": [
            {"type": "string", "maxLength": 1},
            {"enum": ["abc", "x"]},
            {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
            {"type": "array", "items": {"type": "number"}, "minItems": 3},
            closed({"a": {"type": "string"}}, "a"),
            closed({"a": {"type": "integer"}, "b": {"type": "null"}}, "b"),
        ]
    },
    "tree": {
        "$ref": "#/$defs/tree",
        "$defs": {
            "tree": closed({"name": {"type": "string"}, "in": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}),
        },
    },
}


def normal(schema: Schema) -> NormalSchema:
    return NormalSchema(schema, (), {id(schema): ""})
