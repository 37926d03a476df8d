"""What differs between two states, and whether that is what was meant to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from octupus.conversation import json_text

ANY: Final = object()
"""Stands for whatever a place holds afterwards."""
GONE: Final = object()
"""Stands for what a place holds that was taken away."""


def state_sha256(state: Mapping[str, Any]) -> str:
    """Of the states by module, as canonical JSON."""
    return hashlib.sha256(json_text(state, sort_keys=True).encode()).hexdigest()


def differences(before: Any, after: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Places that differ, as keys and positions joined by `/`, with what they hold afterwards.

    What was added or taken away counts whole. Of a list that has grown or shrunk, the longest beginning and then the
    longest end that stayed are left out, and the rest is paired from its beginning.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            inner = f"{place}/{key}" if place else str(key)
            if key in before and key in after:
                yield from differences(before[key], after[key], inner)
            else:
                yield inner, after.get(key, GONE)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _list_differences(before, after, place)
    elif json_text(before) != json_text(after):
        yield place, after


def unexpected(before: Any, after: Any, meant: Mapping[str, Any]) -> str:
    """What is wrong with a change of states; empty when it is the one that was meant.

    `meant` has patterns of places, in which `*` stands for any run of characters, with what they hold afterwards: of
    an object the keys that matter. Every change fits a pattern, and every pattern has a change.
    """
    left = dict(meant)
    for place, value in differences(before, after):
        fitting = [pattern for pattern in meant if fnmatchcase(place, pattern)]
        if not fitting:
            return f"{place} has changed, too"
        if not any(_holds(value, meant[pattern]) for pattern in fitting):
            return f"{place} has become {'nothing' if value is GONE else json_text(value)[:200]}"
        for pattern in fitting:
            left.pop(pattern, None)
    return f"nothing has changed at {next(iter(left))}" if left else ""


def _holds(value: Any, wanted: Any) -> bool:
    if wanted is ANY or wanted is GONE or value is GONE:
        return wanted is ANY or wanted is value
    if isinstance(wanted, Mapping) and isinstance(value, dict):
        return all(key in value and _holds(value[key], inner) for key, inner in wanted.items())
    return json_text(value) == json_text(wanted)


def _list_differences(before: list[Any], after: list[Any], place: str) -> Iterator[tuple[str, Any]]:
    if len(before) == len(after):
        for position, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{place}/{position}")
        return
    shorter = min(len(before), len(after))
    start = 0
    while start < shorter and before[start] == after[start]:
        start += 1
    end = 0
    while end < shorter - start and before[-1 - end] == after[-1 - end]:
        end += 1
    for position in range(start, shorter - end):
        yield from differences(before[position], after[position], f"{place}/{position}")
    for position in range(shorter - end, max(len(before), len(after)) - end):
        yield f"{place}/{position}", after[position] if position < len(after) - end else GONE
