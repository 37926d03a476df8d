"""What the workers of a run tell each other besides gradients: sums, maxima, objects, and that one of them failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist

from octupus.errors import TrainingError


class WorkerGroup:
    """The joined torch.distributed group, or a single process without one. Every method is collective."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        joined = dist.is_initialized()
        self.rank: int = dist.get_rank() if joined else 0
        self.world: int = dist.get_world_size() if joined else 1

    def sum(self, values: Sequence[float]) -> list[float]:
        """The sums of each value over workers, in float64."""
        return self._reduce(values, dist.ReduceOp.SUM)

    def max(self, values: Sequence[float]) -> list[float]:
        """The largest of each value over workers."""
        return self._reduce(values, dist.ReduceOp.MAX)

    def gather(self, value: Any) -> list[Any]:
        """Everybody's value, by rank."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value)
        return values

    def from_first(self, value: Any) -> Any:
        """Rank 0's value."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=self.device if self.device.type == "cuda" else None)
        return box[0]

    def barrier(self) -> None:
        """Wait for everybody."""
        if self.world > 1:
            dist.barrier()

    def agree(self, problem: str | None) -> None:
        """Raise the same TrainingError on every worker when any of them has a problem.

        One that failed alone would leave the others waiting for it.
        """
        problems = [found for found in self.gather(problem) if found is not None]
        if problems:
            raise TrainingError(problems[0])

    def _reduce(self, values: Sequence[float], operation: Any) -> list[float]:
        if self.world == 1:
            return [float(value) for value in values]
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total, op=operation)
        reduced: list[float] = total.tolist()
        return reduced
