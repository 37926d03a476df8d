"""Calls compared as JSON: equal tools and equal arguments, the calls in any order.

Numbers are equal by value, so 1 and 1.0 are; true is no number; an object's keys have no order and a list's items do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from octupus.conversation import json_text

Leaf = tuple[str, str, str]
"""An argument: the tool, the JSON pointer of a value that holds no others, and that value's canonical text."""


def canonical(value: Any) -> str:
    """One text for all equal JSON values."""
    return json_text(_canonical_numbers(value), sort_keys=True)


def exactly_equal(calls: Sequence[tuple[str, Any]], expected: Sequence[tuple[str, Any]]) -> bool:
    """Whether the same tools are called with equal arguments, each as often."""
    return _counted(calls) == _counted(expected)


def leaves(calls: Sequence[tuple[str, Any]]) -> Counter[Leaf]:
    """The arguments of calls, down to values that hold no others; an empty list or object is one itself.

    A call without arguments has none.
    """
    return Counter(
        (name, pointer, canonical(value))
        for name, arguments in calls
        for pointer, value in _leaves(arguments, "")
        if pointer
    )


def _counted(calls: Sequence[tuple[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((name, canonical(arguments)) for name, arguments in calls)


def _canonical_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_canonical_numbers(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _leaves(value: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _leaves(each, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list) and value:
        for position, each in enumerate(value):
            yield from _leaves(each, f"{pointer}/{position}")
    else:
        yield pointer, value
