"""How far scores may be off by the choice of items: bootstrap intervals.

Items are drawn anew from those of their category, with replacement (Efron's bootstrap, percentiles). Of right and wrong
alone the number of right ones in such a draw is binomial, so that is what is drawn. Where all items are right, or all
wrong, such an interval has no width: it then says little, most of all of few items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Count:
    """Right items of all."""

    right: int
    total: int

    @property
    def accuracy(self) -> float:
        """Share of right ones."""
        return self.right / self.total


def drawn(counts: Mapping[str, Count], seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """Accuracies of DRAWS draws by category: arrays of shape (DRAWS,)."""
    randomness = np.random.default_rng(seed)
    return {
        name: randomness.binomial(count.total, count.accuracy, DRAWS) / count.total for name, count in counts.items()
    }


def interval(draws: NDArray[np.float64]) -> tuple[float, float]:
    """The middle LEVEL of the draws."""
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
