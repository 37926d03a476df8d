"""Exact deduplication by conversation id."""

from __future__ import annotations

from collections.abc import Sequence


def first_occurrences(ids: Sequence[str]) -> list[int]:
    """For each position, the first position with the same id: equal to itself for what is kept."""
    first: dict[str, int] = {}
    return [first.setdefault(identity, position) for position, identity in enumerate(ids)]
