"""The packs of coming steps, read by a thread while the current one trains."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import torch

from octupus.train.packs.feed import Pack, PackFeed

STEPS_AHEAD = 2


class Prefetcher:
    """Reads the packs of steps `first` up to `steps` (not included), at most STEPS_AHEAD ahead of what was taken.

    One thread reads in the order of steps, so what comes out does not depend on timing.
    """

    def __init__(
        self,
        feed: PackFeed,
        ids_of_step: Callable[[int], list[int]],
        first: int,
        steps: int,
        pad_to: int | None,
        device: torch.device,
    ) -> None:
        self._feed = feed
        self._ids_of_step = ids_of_step
        self._next, self._steps = first, steps
        self._pad_to = pad_to
        self._device = device
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="packs")
        self._reads: deque[tuple[int, Future[list[Pack]]]] = deque()
        self._read_ahead()

    def packs(self, step: int) -> list[Pack]:
        """The packs of a step on the device, in the order of their ids; steps must be asked for in order.

        Raises what reading them raised.
        """
        if not self._reads or self._reads[0][0] != step:
            raise ValueError(f"step {step} is not the next of the steps up to {self._steps}")
        _, read = self._reads.popleft()
        self._read_ahead()
        return [pack.to(self._device) for pack in read.result()]

    def close(self) -> None:
        """Drop what was not taken and wait for the thread to end."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Prefetcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_ahead(self) -> None:
        while len(self._reads) < STEPS_AHEAD and self._next < self._steps:
            self._reads.append((self._next, self._thread.submit(self._read, self._next)))
            self._next += 1

    def _read(self, step: int) -> list[Pack]:
        packs = [self._feed.read(pack_id, self._pad_to) for pack_id in self._ids_of_step(step)]
        # Only from page-locked memory does a copy to the GPU run beside its work.
        return [pack.pinned() for pack in packs] if self._device.type == "cuda" else packs
