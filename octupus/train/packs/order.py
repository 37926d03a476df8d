"""Which packs each step trains: a pure function of the seed and the step, so one integer is all that resume needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PackPlan:
    """The order of `packs` packs, `packs_per_step` at a time.

    Epochs follow each other without a gap: a step may hold the last packs of one and the first of the next.
    """

    seed: int
    packs: int
    packs_per_step: int

    def pack_ids(self, step: int) -> list[int]:
        """Pack ids of a step (counted from 0), in the order of their slots; their set does not depend on workers.

        `id(g) = permutation(seed, g // packs)[g % packs]` with `g = step * packs_per_step + slot`.
        """
        first = step * self.packs_per_step
        return [self._pack_id(place) for place in range(first, first + self.packs_per_step)]

    def pack_ids_of(self, step: int, rank: int, world: int) -> list[int]:
        """The share of worker `rank` of `world`: every world-th pack. Shares are equal when world divides the step."""
        return self.pack_ids(step)[rank::world]

    def steps(self, epochs: float) -> int:
        """Number of steps in which every pack is seen at least `epochs` times (rounded up)."""
        return max(1, math.ceil(round(self.packs * epochs) / self.packs_per_step))

    def _pack_id(self, place: int) -> int:
        epoch, offset = divmod(place, self.packs)
        return int(_permutation(self.seed, epoch, self.packs)[offset])


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, packs: int) -> NDArray[np.int64]:
    return np.random.Generator(np.random.PCG64([seed, epoch])).permutation(packs)
