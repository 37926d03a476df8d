"""Where a step's time goes, and the most memory it took."""

from __future__ import annotations

import resource
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


class PhaseClock:
    """Adds up seconds by phase. On a GPU each phase waits for its kernels, which costs microseconds beside a step."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._began = time.perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the block's time under `name`."""
        began = time.perf_counter()
        yield
        self._wait()
        self._seconds[name] += time.perf_counter() - began

    def take(self) -> Mapping[str, float]:
        """Seconds by phase, and of the whole as "step", since the last call; 0 for a phase that never was."""
        now = time.perf_counter()
        taken = self._seconds
        taken["step"] = now - self._began
        self._seconds = defaultdict(float)
        self._began = now
        return taken

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def peak_memory_bytes(device: torch.device) -> int:
    """Most memory this process ever had: allocated on its GPU, or resident on CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts KiB
