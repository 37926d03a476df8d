"""What a tool's schema asks for, keyword by keyword, and the equivalent that constraints compile.

`walk` visits every subschema with its JSON pointer. `prepare` closes and simplifies a schema without admitting
anything the original refuses: an object that lists `properties` and does not mention `additionalProperties` admits
those properties alone, because an argument that no tool declared helps nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ANNOTATIONS = frozenset(
    {
        "title",
        "description",
        "default",
        "examples",
        "example",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$comment",
        "$id",
    }
    | {"$schema", "$anchor", "optional", "contentMediaType", "contentEncoding", "response"}
)
"""Keywords that restrict nothing."""

KNOWN_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"})
"""Formats with a definition to hold an instance to; any other value of `format` is an annotation."""

_SCHEMA_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_SCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")


def walk(schema: Any, pointer: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every subschema that is an object, as (JSON pointer, subschema), parents first."""
    if not isinstance(schema, dict):
        return
    yield pointer, schema
    for keyword in _SCHEMA_MAPS:
        for name, subschema in _mapping(schema.get(keyword)):
            yield from walk(subschema, f"{pointer}/{keyword}/{_escape(name)}")
    for keyword in _SCHEMA_LISTS:
        members = schema.get(keyword)
        for position, subschema in enumerate(members if isinstance(members, list) else ()):
            yield from walk(subschema, f"{pointer}/{keyword}/{position}")
    for keyword in _SCHEMAS:
        yield from walk(schema.get(keyword), f"{pointer}/{keyword}")


def prepare(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that constraints compile: objects closed, annotations dropped, the root an object."""
    prepared: dict[str, Any] = _prepare(schema)
    if not {"type", "anyOf", "oneOf", "allOf", "$ref", "enum", "const"} & set(prepared):
        prepared["type"] = "object"
    return prepared


def _prepare(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    result: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in ANNOTATIONS or (keyword == "format" and value not in KNOWN_FORMATS):
            continue
        if keyword in _SCHEMA_MAPS and isinstance(value, dict):
            result[keyword] = {name: _prepare(subschema) for name, subschema in value.items()}
        elif keyword in _SCHEMA_LISTS and isinstance(value, list):
            result[keyword] = [_prepare(subschema) for subschema in value]
        elif keyword in _SCHEMAS:
            result[keyword] = _prepare(value)
        else:
            result[keyword] = value
    closable = "properties" in result and not {"additionalProperties", "patternProperties", "allOf"} & set(result)
    if closable and result.get("type", "object") == "object":
        result["additionalProperties"] = False
    return result


def _mapping(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
