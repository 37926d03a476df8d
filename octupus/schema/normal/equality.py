"""Equality of JSON values: 1 equals 1.0 and no boolean, and the order of keys does not matter."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any


def identity(value: Any) -> str:
    """A text that equal JSON values share, and no others."""
    return json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"))


def distinct(values: Iterable[Any]) -> list[Any]:
    """The values in order, the first of each that are equal."""
    return list({identity(value): value for value in reversed(list(values))}.values())[::-1]


def json_types(value: Any) -> frozenset[str]:
    """The types of JSON Schema that a value has: an integral number is an integer as well."""
    if value is None:
        return frozenset({"null"})
    if isinstance(value, bool):
        return frozenset({"boolean"})
    if isinstance(value, str):
        return frozenset({"string"})
    if isinstance(value, (int, float)):
        return frozenset({"number", "integer"} if value == int(value) else {"number"})
    return frozenset({"object"} if isinstance(value, dict) else {"array"})


def _canonical(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, dict):
        return {name: _canonical(item) for name, item in value.items()}
    return value
