"""Tools of a corpus that records calls but no definitions: JSON Schemas drawn from the calls themselves.

A tool knows every argument seen in any of its calls, requires those seen in all of them, and gives each the JSON types
that were seen. What was never seen is not forbidden by a guess: no enums, no formats, no bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from octupus.conversation import FunctionDefinition, Tool

DEEPEST_LEVEL = 6
"""Values nested deeper keep their type alone."""


def infer_tools(calls: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[Tool, ...]:
    """The tools behind calls given as name and arguments: by name, their arguments in the order first seen."""
    observed: dict[str, list[Mapping[str, Any]]] = {}
    for name, arguments in calls:
        observed.setdefault(name, []).append(arguments)
    return tuple(
        Tool(function=FunctionDefinition(name=name, parameters={"type": "object", **_members(observed[name], 1)}))
        for name in sorted(observed)
    )


def _schema(values: Sequence[Any], level: int) -> dict[str, Any]:
    types = sorted({_type(value) for value in values})
    if "number" in types and "integer" in types:
        types.remove("integer")  # every integer is a number, too
    if not types:
        return {}
    schema: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
    if level >= DEEPEST_LEVEL:
        return schema
    arrays = [value for value in values if isinstance(value, list)]
    if arrays:
        schema["items"] = _schema([item for array in arrays for item in array], level + 1)
    objects = [value for value in values if isinstance(value, Mapping)]
    if objects:
        schema |= _members(objects, level + 1)
    return schema


def _members(objects: Sequence[Mapping[str, Any]], level: int) -> dict[str, Any]:
    """`properties` and `required` of objects of one kind."""
    seen: dict[str, list[Any]] = {}
    for each in objects:
        for name, value in each.items():
            seen.setdefault(name, []).append(value)
    properties = {name: _schema(values, level) for name, values in seen.items()}
    return {
        "properties": properties,
        "required": [name for name, values in seen.items() if len(values) == len(objects)],
    }


def _type(value: Any) -> str:
    """The name JSON Schema has for the value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
