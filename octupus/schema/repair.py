"""Foreign schemas made draft 2020-12: type names of other languages, nulls for absent keywords."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TYPES = {
    "dict": "object",
    "float": "number",
    "double": "number",
    "int": "integer",
    "long": "integer",
    "str": "string",
    "list": "array",
    "tuple": "array",
    "bool": "boolean",
}
"""Foreign type names and what JSON Schema calls them; compared in lower case."""

_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = (
    "items",
    "additionalProperties",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_VALUES = ("const", "default", "example", "examples")
"""Keywords whose null is a value, not an absence."""


def normalise_parameters(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A tool's `parameters`, normalised, and always a schema of an object when no other type is written."""
    result = normalise(schema)
    if "type" not in result and not {"$ref", *_LISTS} & set(result):
        result = {"type": "object", **result}
    if result.get("type") == "object":
        result.setdefault("properties", {})
    return result


def normalise(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with foreign type names replaced and null keywords left out, at every depth. Idempotent."""
    result: dict[str, Any] = {}
    for keyword, value in schema.items():
        if value is None and keyword not in _VALUES:
            continue
        if keyword == "type":
            value = _type(value)
            if value is None:
                continue
        elif keyword in _MAPS and isinstance(value, dict):
            value = {name: _subschema(inner) for name, inner in value.items()}
        elif keyword in _LISTS and isinstance(value, list):
            value = [_subschema(inner) for inner in value]
        elif keyword in _SINGLE:
            value = _subschema(value)
        result[keyword] = value
    return result


def _subschema(value: Any) -> Any:
    return normalise(value) if isinstance(value, dict) else value


def _type(value: Any) -> Any:
    """The JSON Schema type; None for "any", which no keyword says."""
    if isinstance(value, list):
        named = [_type(inner) for inner in value]
        return None if None in named else list(dict.fromkeys(map(str, named)))
    if not isinstance(value, str):
        return value
    lowered = value.strip().lower()
    return None if lowered == "any" else TYPES.get(lowered, lowered)
