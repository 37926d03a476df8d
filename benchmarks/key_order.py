"""Instances with their keys in their schema's order, which is the only one that most grammars admit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from octupus.schema.validation import InvalidSchemaError, validator

_DEEPEST = 60
_DEEPEST_CHOICE = 10


def in_schema_order(instance: Any, schema: Any, root: Any, depth: int = 0) -> Any:
    """The instance with the keys of each object as the schema declares them, and others behind them as they were.

    `root` is the whole schema, to which local references lead. Of alternatives, one that the instance satisfies is
    preferred; it is a heuristic, so a backend may know an order that this does not find.
    """
    if depth > _DEEPEST or not isinstance(instance, (dict, list)):
        return instance
    parts = list(_parts(schema, root, instance, 0))
    if isinstance(instance, list):
        return [in_schema_order(item, _item(parts, place), root, depth + 1) for place, item in enumerate(instance)]
    declared: dict[str, Any] = {}
    for part in parts:
        for name, child in part.get("properties", {}).items():
            declared.setdefault(name, child)
        # A name that is required and nowhere declared is declared behind the others.
        required = part.get("required")
        for name in required if isinstance(required, list) else ():
            declared.setdefault(name, _other(parts, name))
    names = [*(name for name in declared if name in instance), *(name for name in instance if name not in declared)]
    return {
        name: in_schema_order(instance[name], declared.get(name, _other(parts, name)), root, depth + 1)
        for name in names
    }


def _item(parts: list[dict[str, Any]], place: int) -> Any:
    for part in parts:
        front, items = part.get("prefixItems", []), part.get("items", {})
        # Up to draft 2019-09, `items` may be a list.
        front = items if isinstance(items, list) else front
        if place < len(front):
            return front[place]
        if isinstance(items, dict) and items:
            return items
    return {}


def _other(parts: list[dict[str, Any]], name: str) -> Any:
    for part in parts:
        for pattern, schema in part.get("patternProperties", {}).items():
            if re.search(pattern, name):
                return schema
        if isinstance(part.get("additionalProperties"), dict):
            return part["additionalProperties"]
    return {}


def _parts(schema: Any, root: Any, instance: Any, depth: int) -> Iterator[dict[str, Any]]:
    """The schema and everything applied to the same instance; alternatives that it satisfies come first."""
    if not isinstance(schema, dict) or depth > _DEEPEST_CHOICE:
        return
    yield schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        yield from _parts(_target(reference, root), root, instance, depth + 1)
    for member in schema.get("allOf", []):
        yield from _parts(member, root, instance, depth + 1)
    for keyword in ("anyOf", "oneOf"):
        members = [member for member in schema.get(keyword, []) if isinstance(member, dict)]
        for member in sorted(members, key=lambda member: not _satisfied(member, root, instance)):
            yield from _parts(member, root, instance, depth + 1)
    for keyword in ("then", "else"):
        yield from _parts(schema.get(keyword), root, instance, depth + 1)


def _target(reference: str, root: Any) -> Any:
    target = root
    for part in reference[1:].split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(target, list) and name.isdigit() and int(name) < len(target):
            target = target[int(name)]
        else:
            target = target.get(name) if isinstance(target, dict) else None
    return target


def _satisfied(member: dict[str, Any], root: Any, instance: Any) -> bool:
    definitions = {name: root[name] for name in ("$schema", "$defs", "definitions") if name in root}
    try:
        return validator(definitions | member).is_valid(instance)
    except InvalidSchemaError:
        return False
