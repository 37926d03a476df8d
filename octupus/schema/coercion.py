"""Arguments that break their schema by spelling alone, respelled: `"3"` for 3, a lone item for an array of one.

Corpora are full of calls whose values are right and whose JSON types are not. Only what has exactly one reading is
changed; everything else stays for validation to refuse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from octupus.schema.validation import InvalidJsonError, InvalidSchemaError, parse_json, validator

DEEPEST_NESTING = 32
"""Values that nest more deeply are left as they are: judging them place by place would take long."""

_MOST_REFERENCES = 8
_MOST_BRANCHES = 32
_LONGEST_NUMBER = 300
_EXACT_INTEGERS = 2**53
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_DEFINITION = re.compile(r"#/(\$defs|definitions)/([^/~%]+)")
_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}


def coerce(value: Any, schema: dict[str, Any]) -> tuple[Any, list[str]]:
    """The value with every repair that makes a place valid, and the JSON pointers of the places changed.

    Repairs: text that is an integer, a number or a boolean, where that is declared; a number or boolean where a
    string is; 3.0 as 3 where an integer is; a scalar where an array of such scalars is; the JSON text of an object
    or array where one is; an enum's member in another letter case or with space around it. A place is repaired only
    if one single result is valid there, and a valid value stays equal to itself. A schema that refers to anything
    but its definitions cannot be judged place by place, and its values stay. Raises InvalidSchemaError.
    """
    valid = validator(schema).is_valid(value)
    if _is_deep(value) or not _can_be_taken_apart(schema):
        return value, []
    repair = _Repair(schema)
    return repair.place(value, schema, "", DEEPEST_NESTING, valid), repair.changed


class _Repair:
    """One value's repair: the schema that references point into, and what was changed so far."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._definitions: dict[str, Any] = {
            keyword: root[keyword] for keyword in ("$defs", "definitions") if isinstance(root.get(keyword), dict)
        }
        self.changed: list[str] = []

    def place(self, value: Any, schema: Any, pointer: str, depth: int, valid: bool) -> Any:
        """The value repaired, its members first. `valid` promises that the schema admits it already."""
        if not isinstance(schema, dict) or depth == 0:
            return value
        valid = valid or self._admits(schema, value)
        branches = list(islice(self._branches(schema, _MOST_REFERENCES), _MOST_BRANCHES + 1))
        if len(branches) > _MOST_BRANCHES:
            return value
        if isinstance(value, (dict, list)):
            value = self._members(value, branches, pointer, depth - 1, valid)
            valid = valid or self._admits(schema, value)
        elif valid and _is_integer_as_float(value, branches):
            value = int(value)
            self.changed.append(pointer)
        return value if valid else self._respelled(value, schema, branches, pointer, depth - 1)

    def _members(self, value: Any, branches: list[dict[str, Any]], pointer: str, depth: int, valid: bool) -> Any:
        """The container with its members repaired, if a single branch can be meant."""
        kind = "object" if isinstance(value, dict) else "array"
        meant = [branch for branch in branches if kind in _types(branch) or "type" not in branch]
        if len(meant) != 1:
            return value
        if isinstance(value, dict):
            return {
                name: self.place(member, _property(meant[0], name), f"{pointer}/{_escape(name)}", depth, valid)
                for name, member in value.items()
            }
        return [
            self.place(member, _item(meant[0], position), f"{pointer}/{position}", depth, valid)
            for position, member in enumerate(value)
        ]

    def _respelled(
        self, value: Any, schema: dict[str, Any], branches: list[dict[str, Any]], pointer: str, depth: int
    ) -> Any:
        """The only valid respelling of an invalid value, or the value."""
        found: dict[str, tuple[Any, list[str]]] = {}
        for branch in branches:
            for candidate in _respellings(value, branch):
                repair = _Repair(self._root)
                # What JSON text held may need the same repairs as what was written in its place.
                candidate = repair.place(candidate, schema, pointer, depth, self._admits(schema, candidate))
                if self._admits(schema, candidate):
                    found[json.dumps(candidate, sort_keys=True)] = (candidate, repair.changed)
            for candidate in _wrapped(value, branch):
                if self._admits(schema, candidate):
                    # Valid already, but 3.0 is to be 3 in an array, too.
                    candidate = _Repair(self._root).place(candidate, schema, pointer, depth, True)
                    found[json.dumps(candidate, sort_keys=True)] = (candidate, [])
        if len(found) != 1:
            return value
        ((respelled, inside),) = found.values()
        self.changed += [pointer, *(place for place in inside if place != pointer)]
        return respelled

    def _admits(self, schema: dict[str, Any], value: Any) -> bool:
        try:
            return validator({**schema, **self._definitions}).is_valid(value)
        except InvalidSchemaError:
            # What is no schema by itself, such as a property's boolean `required`, admits nothing that may change.
            return False

    def _branches(self, schema: Any, references: int) -> Iterator[dict[str, Any]]:
        """The alternatives that the schema spells out, references to definitions followed."""
        if not isinstance(schema, dict):
            return
        alternatives = schema.get("anyOf", schema.get("oneOf"))
        if isinstance(schema.get("$ref"), str) and references:
            yield from self._branches(self._definition(schema["$ref"]), references - 1)
        elif isinstance(alternatives, list) and "type" not in schema and references:
            for alternative in alternatives:
                yield from self._branches(alternative, references - 1)
        else:
            yield schema

    def _definition(self, reference: str) -> Any:
        match = _DEFINITION.fullmatch(reference)
        return self._definitions.get(match[1], {}).get(match[2]) if match else None


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST_NESTING):
        containers = [part for part in level if isinstance(part, (dict, list))]
        level = [member for part in containers for member in (part.values() if isinstance(part, dict) else part)]
    return bool(level)


def _can_be_taken_apart(schema: dict[str, Any]) -> bool:
    """Whether every part means the same beside the root's definitions as it does in its place."""
    waiting: list[Any] = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            reference = part.get("$ref")
            if isinstance(reference, str) and not _DEFINITION.fullmatch(reference):
                return False
            if "$dynamicRef" in part or ("$id" in part and part is not schema):
                return False
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return True


def _respellings(value: Any, schema: dict[str, Any]) -> Iterator[Any]:
    """What the value may stand for where the schema is declared; validation decides."""
    types = _types(schema)
    if isinstance(value, str):
        yield from _read(value, types)
        yield from _enum_members(value, schema)
    elif isinstance(value, (bool, int, float)) and "string" in types:
        yield json.dumps(value)


def _wrapped(value: Any, schema: dict[str, Any]) -> Iterator[Any]:
    """The scalar as the only item of the array that the schema declares."""
    items = schema.get("items")
    if "array" not in _types(schema) or not isinstance(items, dict) or not isinstance(value, (str, bool, int, float)):
        return
    # Text that begins like an array or an object is one gone wrong, not an item.
    looks_like_json = isinstance(value, str) and value.lstrip().startswith(("[", "{"))
    if not looks_like_json and {"type", "enum", "const", "anyOf", "oneOf", "$ref"} & set(items):
        yield [value]


def _read(text: str, types: list[Any]) -> Iterator[Any]:
    """The JSON values of the types that the text spells."""
    if "boolean" in types and text in _BOOLEANS:
        yield _BOOLEANS[text]
    number = _NUMBER if "number" in types else _INTEGER if "integer" in types else None
    is_number = number is not None and len(text) <= _LONGEST_NUMBER and number.fullmatch(text)
    container = {"{": "object", "[": "array"}.get(text.lstrip()[:1])
    if is_number or (container is not None and container in types):
        try:
            yield parse_json(text, unique_keys=True)
        except InvalidJsonError:
            return


def _enum_members(text: str, schema: dict[str, Any]) -> Iterator[str]:
    members = schema.get("enum")
    wanted = text.strip().casefold()
    for member in members if isinstance(members, list) else ():
        if isinstance(member, str) and member.strip().casefold() == wanted:
            yield member


def _is_integer_as_float(value: Any, branches: list[dict[str, Any]]) -> bool:
    """JSON Schema takes 3.0 for an integer, but no constraint writes it, so the model should not learn it."""
    types = [name for branch in branches for name in _types(branch)]
    typed = all("type" in branch for branch in branches)
    if not isinstance(value, float) or "integer" not in types or "number" in types or not typed:
        return False
    return value.is_integer() and abs(value) < _EXACT_INTEGERS


def _types(schema: dict[str, Any]) -> list[Any]:
    written = schema.get("type")
    return written if isinstance(written, list) else [written]


def _property(schema: dict[str, Any], name: str) -> Any:
    """The schema of a property; None where it is not plain which one applies."""
    properties = schema.get("properties")
    if isinstance(properties, dict) and name in properties:
        return properties[name]
    return None if "patternProperties" in schema else schema.get("additionalProperties")


def _item(schema: dict[str, Any], position: int) -> Any:
    first = schema.get("prefixItems")
    if isinstance(first, list) and position < len(first):
        return first[position]
    return schema.get("items")


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
