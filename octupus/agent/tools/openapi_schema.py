"""The schemas of an OpenAPI document as JSON Schema 2020-12, with the definitions that they refer to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SINGLES = frozenset(
    {"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"}
    | {"unevaluatedItems", "unevaluatedProperties"}
)
_DROPPED = frozenset({"xml", "externalDocs", "discriminator", "$id", "$schema", "$comment"})
"""Nothing to hold arguments to; `$id` would also give references another meaning."""
_MOVING_REFERENCES = frozenset({"$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor"})
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


class InexpressibleError(Exception):
    """An operation cannot be a tool; the message is the reason that it is counted under."""


class Schemas:
    """Reads what a document refers to; nothing outside it is ever fetched."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        # Up to 3.0, exclusive limits are booleans, and nothing counts beside a reference.
        self._old = str(document.get("openapi", "")).startswith("3.0")

    def resolved(self, value: Any) -> dict[str, Any]:
        """A parameter, body, path item or schema, or what its `$ref` names. Raises InexpressibleError."""
        seen: set[str] = set()
        while isinstance(value, dict) and isinstance(value.get("$ref"), str):
            reference = value["$ref"]
            if reference in seen:
                raise InexpressibleError("a reference to itself")
            seen.add(reference)
            found = self._target(reference)
            beside = {} if self._old else {key: item for key, item in value.items() if key != "$ref"}
            value = {**found, **beside} if isinstance(found, dict) else found
        if not isinstance(value, dict):
            raise InexpressibleError("a broken document")
        return value

    def closed(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A schema as JSON Schema, with everything that it refers to in `$defs`. Raises InexpressibleError."""
        names: dict[str, str] = {}
        result = self._converted(schema, names)
        definitions: dict[str, Any] = {}
        while len(definitions) < len(names):  # what a definition refers to adds to the names
            for reference, name in list(names.items()):
                if name not in definitions:
                    definitions[name] = self._converted(self._target(reference), names)
        return {**result, "$defs": definitions} if definitions else result

    def _target(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise InexpressibleError("a reference to another document")
        value: Any = self._document
        for token in reference[2:].split("/"):
            key = unquote(token).replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict) and key in value:
                value = value[key]
            elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            else:
                raise InexpressibleError("a broken reference")
        return value

    def _converted(self, schema: Any, names: dict[str, str]) -> Any:
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise InexpressibleError("a broken schema")
        if _MOVING_REFERENCES & schema.keys():
            raise InexpressibleError("a reference by anchor")
        result: dict[str, Any] = {}
        if isinstance(schema.get("$ref"), str):
            result["$ref"] = f"#/$defs/{_definition_name(schema['$ref'], names)}"
            if self._old:
                return result
        for keyword, value in schema.items():
            if keyword in _DROPPED or keyword.startswith("x-") or keyword in result:
                continue
            if keyword in _MAPS and isinstance(value, dict):
                result[keyword] = {name: self._converted(part, names) for name, part in value.items()}
            elif keyword in _LISTS and isinstance(value, list):
                result[keyword] = [self._converted(part, names) for part in value]
            elif keyword in _SINGLES:
                result[keyword] = self._converted(value, names)
            else:
                result[keyword] = value
        if self._old:
            _modernise_limits(result)
        return _without_read_only(result)


def _definition_name(reference: str, names: dict[str, str]) -> str:
    if reference not in names:
        plain = _NOT_IN_NAMES.sub("_", unquote(reference).rpartition("/")[2]) or "schema"
        name, count = plain, 1
        while name in names.values():
            count += 1
            name = f"{plain}_{count}"
        names[reference] = name
    return names[reference]


def _modernise_limits(schema: dict[str, Any]) -> None:
    for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and limit in schema:
            schema[exclusive] = schema.pop(limit)


def _without_read_only(schema: dict[str, Any]) -> dict[str, Any]:
    """Without properties that only the server writes: these schemas are of what is sent."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return schema
    hidden = [name for name, part in properties.items() if isinstance(part, dict) and part.get("readOnly") is True]
    if hidden:
        schema["properties"] = {name: part for name, part in properties.items() if name not in hidden}
        if isinstance(schema.get("required"), list):
            schema["required"] = [name for name in schema["required"] if name not in hidden]
    return schema
