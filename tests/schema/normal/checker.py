"""A reader of the normal form that knows nothing of how it is made."""

from __future__ import annotations

from typing import Any

from octupus.schema.normal.equality import identity

_KEYWORDS: dict[str, tuple[str, ...]] = {
    "null": (),
    "boolean": (),
    "string": ("minLength", "maxLength", "pattern"),
    "integer": ("minimum", "maximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("prefixItems", "items", "minItems", "maxItems"),
    "object": (
        "properties",
        "required",
        "patternProperties",
        "additionalProperties",
        "minProperties",
        "maxProperties",
    ),
}


def check_normal(schema: dict[str, Any], pointers: dict[int, str] | None = None) -> None:
    """Asserts that a schema is in normal form and, if given, that every subschema of it has a pointer."""
    definitions = schema.get("$defs", {})
    root = {keyword: value for keyword, value in schema.items() if keyword != "$defs"}
    assert "$defs" not in schema or definitions
    _check(root, definitions)
    for definition in definitions.values():
        _check(definition, definitions)
    if pointers is not None:
        found = [schema, *(place for inner in (root, *definitions.values()) for place in _subschemas(inner))]
        assert all(id(place) in pointers for place in found if place is not root)


def _check(schema: Any, definitions: dict[str, Any]) -> None:
    assert isinstance(schema, dict)
    if "$ref" in schema:
        assert list(schema) == ["$ref"]
        assert schema["$ref"].removeprefix("#/$defs/") in definitions
    elif "anyOf" in schema:
        assert list(schema) == ["anyOf"]
        assert len(schema["anyOf"]) >= 2
        for member in schema["anyOf"]:
            _check(member, definitions)
    elif "enum" in schema:
        assert list(schema) == ["enum"]
        assert schema["enum"]
        assert len({identity(value) for value in schema["enum"]}) == len(schema["enum"])
    elif schema:
        _check_typed(schema, definitions)


def _check_typed(schema: dict[str, Any], definitions: dict[str, Any]) -> None:
    order = ("type", *_KEYWORDS[schema["type"]])
    assert list(schema) == [keyword for keyword in order if keyword in schema]
    assert all(schema.get(keyword) != 0 for keyword in ("minLength", "minItems", "minProperties"))
    assert schema["type"] != "integer" or all(isinstance(value, (str, int)) for value in schema.values())
    for keyword in ("items", "additionalProperties"):
        if schema.get(keyword, False) is not False:
            assert schema[keyword] != {}
            _check(schema[keyword], definitions)
    for member in schema.get("prefixItems", ()):
        _check(member, definitions)
    for keyword in ("properties", "patternProperties"):
        assert schema.get(keyword, True)
        for member in schema.get(keyword, {}).values():
            if member == {"enum": []}:
                # Only where an additional property could be written instead, or another pattern could match.
                assert schema.get("additionalProperties") is not False or schema.get("patternProperties")
            else:
                _check(member, definitions)


def _subschemas(schema: Any) -> list[dict[str, Any]]:
    if not isinstance(schema, dict):
        return []
    inner = [*schema.get("anyOf", ()), *schema.get("prefixItems", ())]
    inner += [schema[keyword] for keyword in ("items", "additionalProperties") if keyword in schema]
    inner += [*schema.get("properties", {}).values(), *schema.get("patternProperties", {}).values()]
    return [schema, *(place for member in inner for place in _subschemas(member))]
