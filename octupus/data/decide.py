"""Decisions over all rows at once: duplicates, caps, what is held out, and how often each row is trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from octupus.data import mixture
from octupus.data.caps import over_cap
from octupus.data.config import MixtureEntry, PrepareConfig
from octupus.data.dedup import Similarity, exact_duplicates, near_duplicates
from octupus.data.index import PASSED, REASONS, STAGES, Index
from octupus.data.reasons import Reason, Stage

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What becomes of each of the index's n rows."""

    stage: npt.NDArray[np.int8]
    """Shape [n]: position in STAGES of the step that drops the row, or PASSED."""
    reason: npt.NDArray[np.int8]
    """Shape [n]: position in REASONS, or PASSED."""
    earlier: Positions
    """Shape [n]: of a duplicate the row it repeats, of any other row itself."""

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Shape [n]."""
        kept: npt.NDArray[np.bool_] = self.reason == PASSED
        return kept

    def drop(self, rows: Positions, stage: Stage, reason: Reason) -> None:
        """Mark rows as dropped."""
        self.stage[rows] = STAGES.index(stage)
        self.reason[rows] = REASONS.index(reason)


@dataclass(frozen=True, slots=True)
class MixtureLine:
    """What one line of the mixture takes."""

    entry: MixtureEntry
    rows: Positions
    """Positions in the index, once a copy."""


def decide(index: Index, config: PrepareConfig, similarity_of: Callable[[Positions], Similarity]) -> Decisions:
    """Drop duplicates, near duplicates and what is over the caps, in this order.

    `similarity_of` gives for some rows of the index how alike two of them are.
    """
    decisions = Decisions(index.stage.copy(), index.reason.copy(), np.arange(len(index), dtype=np.int64))
    rows = np.flatnonzero(index.passed)
    first = rows[exact_duplicates(index.ids[rows])]
    decisions.earlier[rows] = first
    decisions.drop(rows[first != rows], Stage.DEDUP, Reason.DUPLICATE)
    if config.near_duplicates.drop:
        rows = np.flatnonzero(decisions.kept)
        first = rows[near_duplicates(index.bands[rows], similarity_of(rows), config.near_duplicates.threshold)]
        decisions.earlier[rows] = first
        decisions.drop(rows[first != rows], Stage.DEDUP, Reason.NEAR_DUPLICATE)
    if config.calls_per_tool:
        rows = np.flatnonzero(decisions.kept)
        codes, offsets = index.calls.lists(rows)
        capped = over_cap(index.ids[rows], codes, offsets, config.calls_per_tool)
        decisions.drop(rows[capped], Stage.CAPS, Reason.CAPPED)
    return decisions


def mix(
    index: Index, available: npt.NDArray[np.bool_], places: Sequence[tuple[str, str]], config: PrepareConfig
) -> list[MixtureLine]:
    """What each line of the mixture takes of the `available` rows (bool[n]); `places` are (source, split) by number."""
    lines: list[MixtureLine] = []
    for entry in mixture.entries(config.mixture, config.sources):
        chosen = available & (index.place == places.index((entry.source, entry.split)))
        if entry.kinds:
            codes = [code for code, kind in enumerate(index.kind.vocabulary) if kind in entry.kinds]
            chosen &= np.isin(index.kind.codes, codes)
        rows = np.flatnonzero(chosen)
        lines.append(MixtureLine(entry, rows[mixture.select(index.ids[rows], entry, config.seed)]))
    return lines
