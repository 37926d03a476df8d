"""How often each conversation is trained on: `source:split:ratio` lines.

Ratios below 1 take a seeded sample, 1 takes everything, above 1 whole copies and a sample for the fraction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from random import Random

from octupus.data.config import MixtureEntry, SourceConfig


def entries(mixture: Sequence[MixtureEntry], sources: Sequence[SourceConfig]) -> tuple[MixtureEntry, ...]:
    """The mixture, or each source once when it is empty."""
    if mixture:
        return tuple(mixture)
    return tuple(MixtureEntry(source=source.name, split=source.split) for source in sources)


def select(ids: Sequence[str], entry: MixtureEntry, seed: int) -> list[tuple[int, int]]:
    """(position in `ids`, copy) of what one entry takes, in order of copy, then position.

    The sample depends on the ids and the entry's own seed alone, so neither another entry nor the order of the rows
    changes it.
    """
    # Decimal of the written number: 0.29 * 100 is 29, not the 28 that binary floating point makes of it.
    ratio = Decimal(str(entry.ratio))
    copies = int(ratio)
    selected = [(position, copy) for copy in range(copies) for position in range(len(ids))]
    count = int(len(ids) * (ratio - copies))
    if count:
        shuffled = sorted(range(len(ids)), key=lambda position: ids[position])
        Random(entry_seed(seed, entry.source, entry.split)).shuffle(shuffled)
        selected += [(position, copies) for position in sorted(shuffled[:count])]
    return selected


def hold_out(ids: Sequence[str], sources: Sequence[str], rows: int, seed: int) -> set[int]:
    """Positions of `rows` conversations of each source that no pack may hold.

    Chosen by hash, so that the same conversations stay out of every stage that is prepared with the same seed.
    """
    by_source: dict[str, list[int]] = {}
    for position, source in enumerate(sources):
        by_source.setdefault(source, []).append(position)
    held_out: set[int] = set()
    for positions in by_source.values():
        ranked = sorted(positions, key=lambda position: hashlib.sha256(f"{seed} {ids[position]}".encode()).digest())
        held_out.update(ranked[:rows])
    return held_out


def entry_seed(seed: int, source: str, split: str) -> int:
    """The seed of one entry, independent of all others."""
    digest = hashlib.sha256(repr((seed, source, split)).encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big")
