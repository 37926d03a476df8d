"""A normal form as the alternatives a value may be: literals, strings, numbers, arrays and objects.

`anyOf` and `$ref` are followed, and members of an `enum` that are arrays or objects become nodes of their own, so that
what reads a value meets five kinds of nodes only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from octupus.decoding.closing.numbers import NumberRange, number_text
from octupus.decoding.closing.pieces import string_text
from octupus.schema.patterns import Pattern, parse_pattern

Schema = dict[str, Any]

_ANYTHING: Schema = {
    "anyOf": [
        {"enum": [None, True, False]},
        {"type": "string"},
        {"type": "number"},
        {"type": "array"},
        {"type": "object"},
    ]
}


@dataclass(frozen=True, eq=False, slots=True)
class Literals:
    """Scalars of an enum, as JSON texts, with the value of those that are strings."""

    texts: dict[str, str | None]


@dataclass(frozen=True, eq=False, slots=True)
class Text:
    """Strings."""

    shortest: int
    longest: int | None
    pattern: Pattern | None

    @property
    def free(self) -> bool:
        """Whether any character may always follow."""
        return self.longest is None and self.pattern is None


@dataclass(frozen=True, eq=False, slots=True)
class Number:
    """Integers or numbers."""

    range: NumberRange


@dataclass(frozen=True, eq=False, slots=True)
class Array:
    """Arrays."""

    first: tuple[Schema, ...]
    rest: Schema
    least: int
    most: int | None

    def child(self, index: int) -> Schema:
        """The schema of an item."""
        return self.first[index] if index < len(self.first) else self.rest


@dataclass(frozen=True, eq=False, slots=True)
class Object:
    """Objects. `required` has the author's order: declared properties first."""

    properties: dict[str, Schema]
    required: tuple[str, ...]
    patterns: tuple[tuple[Pattern, Schema], ...]
    rest: Schema
    least: int
    most: int | None

    def child(self, key: str) -> Schema:
        """The schema of a key's value."""
        declared = self.properties.get(key)
        if declared is not None:
            return declared
        return next((schema for pattern, schema in self.patterns if _matches(pattern, key)), self.rest)


Node = Literals | Text | Number | Array | Object
NOTHING: Schema = {"enum": []}


class Graph:
    """The nodes of one normal form, made on demand. Schemas are known by identity."""

    def __init__(self, schema: Schema) -> None:
        self.root = schema
        self._definitions: dict[str, Schema] = schema.get("$defs", {})
        self._nodes: dict[int, Node | None] = {}
        self._alternatives: dict[int, tuple[Node, ...]] = {}
        # Keeps schemas that are made here alive, because their identity is a key.
        self._made: list[Schema] = []
        self._members: dict[int, list[Schema]] = {}

    def alternatives(self, schema: Schema) -> tuple[Node, ...]:
        """What a value of `schema` may be; empty when nothing satisfies it."""
        found = self._alternatives.get(id(schema))
        if found is None:
            nodes = {id(node): node for part in self._flattened(schema) if (node := self._node(part)) is not None}
            found = self._alternatives[id(schema)] = tuple(nodes.values())
        return found

    def _flattened(self, schema: Schema) -> Iterator[Schema]:
        waiting, seen = [schema], set()
        while waiting:
            current = waiting.pop()
            if id(current) in seen:
                continue
            seen.add(id(current))
            if "$ref" in current:
                waiting.append(
                    self._definitions[current["$ref"].removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")]
                )
            elif "anyOf" in current:
                waiting += reversed(current["anyOf"])
            elif "enum" in current:
                yield current
                waiting += self._containers(current)
            elif "type" in current:
                yield current
            else:
                waiting.append(_ANYTHING)

    def _containers(self, schema: Schema) -> list[Schema]:
        if id(schema) not in self._members:
            made = [_container(member) for member in schema["enum"] if isinstance(member, dict | list)]
            self._made += made
            self._members[id(schema)] = made
        return self._members[id(schema)]

    def _node(self, schema: Schema) -> Node | None:
        if id(schema) not in self._nodes:
            self._nodes[id(schema)] = _node(schema)
        return self._nodes[id(schema)]


def _container(member: Any) -> Schema:
    if isinstance(member, list):
        items = [{"enum": [item]} for item in member]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
    properties = {key: {"enum": [value]} for key, value in member.items()}
    return {"type": "object", "properties": properties, "required": list(member), "additionalProperties": False}


def _node(schema: Schema) -> Node | None:
    if "enum" in schema:
        return _literals([member for member in schema["enum"] if not isinstance(member, dict | list)])
    match schema["type"]:
        case "null":
            return _literals([None])
        case "boolean":
            return _literals([True, False])
        case "string":
            return _text(schema)
        case "array":
            rest = schema.get("items", _ANYTHING)
            first, most = tuple(schema.get("prefixItems", ())), schema.get("maxItems")
            if most is not None and most <= len(first):
                first, rest = first[:most], False
            return Array(first, NOTHING if rest is False else rest, schema.get("minItems", 0), most)
        case "object":
            return _object(schema)
        case _:
            return Number(NumberRange(schema))


def _literals(members: list[Any]) -> Node | None:
    texts: dict[str, str | None] = {}
    for member in members:
        if isinstance(member, str):
            texts[string_text(member)] = member
        elif member is None or isinstance(member, bool):
            texts["null" if member is None else str(member).lower()] = None
        else:
            texts[number_text(member)] = None
    return Literals(texts) if texts else None


def _text(schema: Schema) -> Node | None:
    shortest, longest, text = schema.get("minLength", 0), schema.get("maxLength"), schema.get("pattern")
    pattern = None if text is None else parse_pattern(text, shortest_length=shortest, longest_length=longest)
    possible = pattern.distance is not None if pattern is not None else longest is None or shortest <= longest
    return Text(shortest, longest, pattern) if possible else None


def _object(schema: Schema) -> Object:
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    wanted = set(required)
    ordered = [key for key in properties if key in wanted] + [key for key in required if key not in properties]
    rest = schema.get("additionalProperties", _ANYTHING)
    patterns = tuple((parse_pattern(text), value) for text, value in schema.get("patternProperties", {}).items())
    least = max(schema.get("minProperties", 0), len(ordered))
    return Object(
        properties,
        tuple(dict.fromkeys(ordered)),
        patterns,
        NOTHING if rest is False else rest,
        least,
        schema.get("maxProperties"),
    )


def _matches(pattern: Pattern, key: str) -> bool:
    return pattern.accepts(pattern.after(pattern.start(), key))
