"""Packing: conversations of many lengths into packs of one token budget.

Best-fit-decreasing in windows of a seeded shuffle. Windows keep packs random: packed all at once, the longest
conversations would all share packs with the shortest.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from random import Random


def pack(lengths: Sequence[int], budget: int, window: int, seed: int) -> list[list[int]]:
    """Packs of positions in `lengths`: each position once, no pack longer than `budget`.

    Raises ValueError when a length is above the budget.
    """
    longest = max(lengths, default=0)
    if longest > budget:
        raise ValueError(f"a length of {longest} does not fit the budget of {budget}")
    order = list(range(len(lengths)))
    Random(seed).shuffle(order)
    packs: list[list[int]] = []
    for start in range(0, len(order), window):
        packs += _pack_window(order[start : start + window], lengths, budget)
    return packs


def _pack_window(order: Sequence[int], lengths: Sequence[int], budget: int) -> list[list[int]]:
    packs: list[list[int]] = []
    spaces: list[tuple[int, int]] = []  # (space left, pack), sorted
    for rank in sorted(range(len(order)), key=lambda rank: (-lengths[order[rank]], rank)):
        length = lengths[order[rank]]
        tightest = bisect_left(spaces, (length, -1))
        if tightest == len(spaces):
            space, chosen = budget, len(packs)
            packs.append([])
        else:
            space, chosen = spaces.pop(tightest)
        packs[chosen].append(rank)
        if space > length:
            insort(spaces, (space - length, chosen))
    # Back in shuffled order, so that a conversation's place in its pack says nothing about its length.
    return [[order[rank] for rank in sorted(ranks)] for ranks in packs]
