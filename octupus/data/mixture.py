"""How often each conversation is trained on: `source:split:ratio` lines.

Ratios below 1 take a seeded sample, 1 takes everything, above 1 whole copies and a sample for the fraction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from octupus.data.config import MixtureEntry, SourceConfig
from octupus.data.minhash import mixed

Positions = npt.NDArray[np.int64]


def entries(mixture: Sequence[MixtureEntry], sources: Sequence[SourceConfig]) -> tuple[MixtureEntry, ...]:
    """The mixture, or each source once when it is empty."""
    if mixture:
        return tuple(mixture)
    return tuple(MixtureEntry(source=source.name, split=source.split) for source in sources)


def select(ids: npt.NDArray[np.uint8], entry: MixtureEntry, seed: int) -> Positions:
    """Positions in `ids` (uint8[n, 32]) of what one entry takes, a position once a copy, copy after copy.

    The sample depends on the ids and the entry's own seed alone, so neither another entry nor the order of the rows
    changes it.
    """
    # Decimal of the written number: 0.29 * 100 is 29, not the 28 that binary floating point makes of it.
    ratio = Decimal(str(entry.ratio))
    copies = int(ratio)
    every = np.arange(len(ids), dtype=np.int64)
    count = int(len(ids) * (ratio - copies))
    sample = np.sort(shuffled(ids, "mixture", seed, entry.source, entry.split)[:count])
    return np.concatenate([np.tile(every, copies), sample])


def hold_out(ids: npt.NDArray[np.uint8], place: npt.NDArray[np.int32], rows: int, seed: int) -> Positions:
    """Positions of `rows` conversations of each place (int32[n], a source's number) that no pack may hold.

    Chosen by hash, so that the same conversations stay out of every stage that is prepared with the same seed.
    """
    chosen = [np.empty(0, np.int64)]
    for each in np.unique(place) if rows else ():
        members = np.flatnonzero(place == each)
        chosen.append(members[shuffled(ids[members], "hold out", seed)[:rows]])
    return np.sort(np.concatenate(chosen))


def shuffled(ids: npt.NDArray[np.uint8], *seed: str | int) -> Positions:
    """All positions in an order that depends on the ids (uint8[n, 32]) and the seed alone."""
    digest = hashlib.sha256(repr(seed).encode("utf-8")).digest()
    # An id is a sha256: its first eight bytes scrambled with the seed order the rows, the next eight break ties.
    words = np.ascontiguousarray(ids).view(np.uint64).reshape(-1, 4)
    keys = mixed(words[:, 0] ^ np.uint64(int.from_bytes(digest[:8], "big")))
    order: Positions = np.lexsort((words[:, 1], keys)).astype(np.int64)
    return order
