"""Means with their standard errors, and draws that follow from a seed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of n scores; without scores there is neither it nor its error."""

    mean: float | None
    standard_error: float | None
    """How far the mean would scatter over other queries of the same kind. Of equal scores it is 0, however few."""
    n: int

    def to_json(self) -> dict[str, Any]:
        """For results.json."""
        return {"mean": self.mean, "standard_error": self.standard_error, "n": self.n}

    def __str__(self) -> str:
        if self.mean is None or self.standard_error is None:
            return "-"
        return f"{self.mean:.1%} ± {self.standard_error:.1%}"


def mean_of(scores: Sequence[float]) -> Mean:
    """Mean and standard error sqrt(variance / n); of scores 0 and 1 that is the binomial sqrt(p (1 - p) / n)."""
    n = len(scores)
    if not n:
        return Mean(None, None, 0)
    return Mean(math.fsum(scores) / n, spread(scores) / math.sqrt(n), n)


def spread(values: Sequence[float]) -> float:
    """The standard deviation with divisor n, as numpy's std and thus StableToolBench have it; 0 of nothing."""
    if not values:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


def seed_of(*parts: Any) -> int:
    """A seed of 31 bits that follows from `parts`, JSON values, and from nothing else."""
    digest = hashlib.sha256(json.dumps(parts).encode("ascii")).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def coin(*parts: Any) -> bool:
    """A fair coin's side that follows from `parts`."""
    return bool(seed_of("coin", *parts) & 1)
