"""Foreign schemas made draft 2020-12: types of other languages, misplaced `required`, nulls for absent keywords.

A repair keeps what the author meant where that is plain, and otherwise admits more rather than less: a schema that
refuses correct calls would drop the rows that hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Never

from octupus.schema.type_names import parse_type

SCHEMA_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords that hold schemas by name."""
SCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
"""Keywords that hold schemas in a list."""
SCHEMAS = (
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
"""Keywords that hold one schema."""

DEEPEST_NESTING = 64
"""Subschemas deeper than this are left as they are."""

_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_SCALARS = frozenset({"string", "integer", "number", "boolean"})
_VALUES = ("const", "default", "example")
"""Keywords whose null is a value, not an absence."""
_DECLARE_ELSEWHERE = frozenset(
    {"patternProperties", "$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "unevaluatedProperties"}
)
"""Keywords that can declare a property which `properties` does not list."""
_STAND_ALONE = frozenset({"properties", "patternProperties", "items", "prefixItems", "additionalProperties"})
"""Keywords whose subschemas describe a value by themselves, not together with the schema around them."""


def normalise_parameters(schema: Mapping[str, Any] | Sequence[Never] | None) -> dict[str, Any]:
    """A tool's `parameters`, normalised, and always a schema of an object when no other type is written.

    Null, `{}` and `[]` are what tools without parameters come with.
    """
    result = normalise(schema) if isinstance(schema, Mapping) else {}
    if "type" not in result and not {"$ref", *SCHEMA_LISTS} & set(result):
        result = {"type": "object", **result}
    if result.get("type") != "object" or "properties" in result:
        return result
    # Only with its properties listed, though there are none, is it plain that no required name can be given.
    return normalise({**result, "properties": {}})


def is_flat(parameters: Mapping[str, Any]) -> bool:
    """Whether the parameters are written as `{name: {type, description}}`, so `parameters_from_flat` must wrap them.

    A parameter may be called `type` or `properties`; as keywords these hold text and a mapping of schemas.
    """
    listed = parameters.get("properties")
    is_schema = isinstance(listed, Mapping) and all(isinstance(schema, Mapping) for schema in listed.values())
    return bool(parameters) and not is_schema and all(isinstance(schema, Mapping) for schema in parameters.values())


def parameters_from_flat(parameters: Mapping[str, Any], required: Sequence[str] | None) -> dict[str, Any]:
    """The schema of an object from parameters written as `{name: {type, description, default?}}`.

    `required` is the tool's own list; a parameter that says `required: true` joins it. None means that the corpus
    keeps no list: then a parameter is required unless it has a default or says that it may be left out.

    A default of `""` counts as none. ToolRL's rows, which come from xLAM and Hammer, write it beside every parameter
    that has no default, lists and integers included, and their calls give 90 % of the parameters that carry it and
    are not called optional, but 43 % of those that are. It is left out of the schema where the parameter is required.
    A default of null is Python's None, and a parameter that has it may be left out.
    """
    properties = {name: _written_out(value) for name, value in parameters.items()}
    if required is None:
        required = [name for name, schema in properties.items() if not _has_default(schema)]
    result = normalise_parameters({"type": "object", "properties": properties, "required": list(required)})
    for name in result["required"]:
        schema = result["properties"][name]
        if isinstance(schema, dict) and not _has_default(schema):
            schema.pop("default", None)
    return result


def normalise(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with every repair made, at every depth. Idempotent.

    Types are those of JSON, keywords with null are left out, a property's `required` or `optional` is moved to the
    object's list, undeclared names leave that list where no call could ever give them, an enum of nulls is left out,
    and a scalar type that no member of the enum has gives way to the members' own.
    """
    return _normalise(schema, alone=True, depth=DEEPEST_NESTING)


def with_meant_enums(schema: Mapping[str, Any], depth: int = DEEPEST_NESTING) -> dict[str, Any]:
    """The schema as it is, but for enums that no value satisfies and that tell what is meant.

    Such are members of another type than the one beside them, and members of an array's items written beside them; all
    that is changed refused every value. For schemas of requests: elsewhere see `normalise`.
    """
    result = dict(schema)
    if isinstance(result.get("type"), str):
        _repair_enum(result)
    if depth == 0:
        return result

    def deeper(inner: dict[str, Any], _: bool) -> dict[str, Any]:
        return with_meant_enums(inner, depth - 1)

    return {keyword: _subschemas(keyword, value, deeper) for keyword, value in result.items()}


def _normalise(schema: Mapping[str, Any], alone: bool, depth: int) -> dict[str, Any]:
    result = _json_types(_json_shapes(schema))
    _repair_enum(result)
    _repair_required(result, closed=alone and _is_closed(result))
    if depth == 0:
        return result

    def deeper(inner: dict[str, Any], alone: bool) -> dict[str, Any]:
        return _normalise(inner, alone, depth - 1)

    return {keyword: _subschemas(keyword, value, deeper) for keyword, value in result.items()}


def _subschemas(keyword: str, value: Any, changed: Callable[[dict[str, Any], bool], dict[str, Any]]) -> Any:
    """A keyword's value with each subschema changed; `changed` is told whether that stands alone."""
    alone = keyword in _STAND_ALONE

    def subschema(inner: Any) -> Any:
        return changed(inner, alone) if isinstance(inner, dict) else inner

    if keyword in SCHEMA_MAPS and isinstance(value, dict):
        return {name: subschema(inner) for name, inner in value.items()}
    if keyword in SCHEMA_LISTS and isinstance(value, list):
        return [subschema(inner) for inner in value]
    return subschema(value) if keyword in SCHEMAS else value


def _json_types(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its type spelled as JSON Schema does; what is written beside a type outweighs what it implies."""
    if "type" not in schema:
        return schema
    implied = _implied(schema["type"])
    result: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "type":
            result |= {name: inner for name, inner in implied.items() if name not in schema or name == "type"}
        else:
            result[keyword] = value
    return result


def _implied(written: Any) -> dict[str, Any]:
    """The keywords that say what `type` says; none for "any"."""
    if isinstance(written, str):
        return {"type": written} if written in _TYPES else parse_type(written).schema or {}
    if not isinstance(written, list):
        return {"type": written}
    members = [_implied(member) for member in written if isinstance(member, str)]
    if len(members) < len(written):
        return {"type": written}
    if not members or not all(members):
        return {}
    if all(set(member) == {"type"} for member in members):
        return {"type": list(dict.fromkeys(member["type"] for member in members))}
    return {"anyOf": members}


def _json_shapes(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without null keywords, and with lists and mappings where JSON Schema has them.

    A list in `items`, which older drafts take for a tuple, becomes `prefixItems`.
    """
    result = {keyword: value for keyword, value in schema.items() if value is not None or keyword in _VALUES}
    if result.get("properties") == []:
        result["properties"] = {}
    if not isinstance(result.get("examples", []), list):
        result["examples"] = [result["examples"]]
    if isinstance(result.get("items"), list) and "prefixItems" not in result:
        first, others = result.pop("items"), result.pop("additionalItems", None)
        result |= {"prefixItems": first} if first else {}
        result |= {"items": others} if others is not None else {}
    return result


def _repair_enum(schema: dict[str, Any]) -> None:
    """Leave out an enum without values, and fit a scalar type to the members of an enum that has none of that type.

    An array's enum goes to its items where no member is an array.
    """
    members = schema.get("enum")
    if not isinstance(members, list):
        return
    if all(member is None for member in members) and schema.get("type") != "null":
        del schema["enum"]
        return
    written = schema.get("type")
    items = schema.get("items")
    if written == "array" and isinstance(items, dict) and "enum" not in items and all(map(_scalar, members)):
        schema["items"] = items | {"enum": schema.pop("enum")}
        return
    if not isinstance(written, str) or written not in _SCALARS:
        return
    found = {_scalar(member) for member in members}
    fitting = {"number", "integer"} if written == "number" else {written}
    if found & fitting or "" in found:
        return
    if found == {"integer", "number"}:
        found = {"number"}
    if len(found) == 1:
        schema["type"] = found.pop()


def _scalar(value: Any) -> str:
    """The most special scalar type of a value; an empty text for null, arrays and objects."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "integer" if isinstance(value, int) or value.is_integer() else "number"
    return "string" if isinstance(value, str) else ""


def _is_closed(schema: dict[str, Any]) -> bool:
    """Whether a property that is not listed can never be given."""
    listed = isinstance(schema.get("properties"), dict) and schema.get("additionalProperties", False) is False
    return listed and not _DECLARE_ELSEWHERE & set(schema)


def _repair_required(schema: dict[str, Any], closed: bool) -> None:
    """Collect in `required` what it and the properties say, and make both well formed."""
    written = schema.get("required")
    if not isinstance(written, list):
        # A boolean speaks of this schema as a property, and the object around it has read it.
        schema.pop("required", None)
    properties = schema.get("properties")
    names = [name for name in written if isinstance(name, str)] if isinstance(written, list) else []
    if isinstance(properties, dict):
        properties = {name: _written_out(value) for name, value in properties.items()}
        said = {name: _must_be_given(value) for name, value in properties.items()}
        names += [name for name, must in said.items() if must]
        names = [name for name in names if said.get(name) is not False and (name in said or not closed)]
        schema["properties"] = {name: _without_optional(value) for name, value in properties.items()}
    if names or isinstance(written, list):
        schema["required"] = list(dict.fromkeys(names))


def _must_be_given(schema: Any) -> bool | None:
    """What a property says about itself; that it may be left out outweighs that it may not."""
    if not isinstance(schema, dict):
        return None
    said = {_truth(schema.get("required"))}
    if isinstance(schema.get("optional"), bool):
        said.add(not schema["optional"])
    if isinstance(schema.get("type"), str) and schema["type"] not in _TYPES:
        optional = parse_type(schema["type"]).optional
        said.add(None if optional is None else not optional)
    return False if False in said else True if True in said else None


def _truth(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _written_out(value: Any) -> Any:
    """A property as a schema: text in its place is a type if it reads as one, else a description."""
    if value is None:
        return {}
    if isinstance(value, str):
        return {"type": value} if parse_type(value).schema is not None else {"description": value}
    return value


def _without_optional(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("optional"), bool):
        return {keyword: inner for keyword, inner in value.items() if keyword != "optional"}
    return value


def _has_default(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("default", "") != ""
