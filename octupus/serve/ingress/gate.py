"""How many requests are answered at once; those beyond are shed at once, before their bodies are read."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from octupus.errors import RequestError
from octupus.serve.config import AutoscalingConfig, ServeConfig

MIN_RETRY_S = 1
MAX_RETRY_S = 30
UNKNOWN_RETRY_S = 5
"""What is told before anything was completed, while no rate is known."""

_REMEMBERED = 64
"""Completed requests whose durations count."""
_COUNTED_SHED = 1024


class Gate:
    """Counts the requests being answered. For one event loop."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.active = 0
        self._clock = clock
        self._durations: deque[float] = deque(maxlen=_REMEMBERED)
        self._shed: deque[float] = deque(maxlen=_COUNTED_SHED)

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold a place while the block runs, however it ends. Raises RequestError 429 when there is none."""
        if self.active >= self.limit:
            retry_s = self._retry_after_s()
            self._shed.append(self._clock())
            raise RequestError(
                f"this server is answering {self.active} requests, as many as it takes at once; "
                f"try again in {retry_s} s",
                code="overloaded",
                status=429,
                headers={"retry-after": str(retry_s)},
            )
        self.active += 1
        entered = self._clock()
        try:
            yield
        finally:
            self.active -= 1
            self._durations.append(self._clock() - entered)

    def _retry_after_s(self) -> int:
        """When a place is likely free for this client, those counted that were shed before it and wait as well."""
        if not self._durations:
            return UNKNOWN_RETRY_S
        now = self._clock()
        while self._shed and self._shed[0] < now - MAX_RETRY_S:
            self._shed.popleft()
        # While all places are taken, this many become free in a second (Little's law).
        completion_rate = self.limit * len(self._durations) / max(sum(self._durations), 1e-6)
        wait = (len(self._shed) + 1) / completion_rate
        return min(max(math.ceil(wait), MIN_RETRY_S), MAX_RETRY_S)


def active_limit(config: ServeConfig) -> int:
    """Requests that one ingress replica answers at once: as configured, else its part of twice what all engines run."""
    if config.limits.max_active_requests is not None:
        return config.limits.max_active_requests
    engines = config.replicas.engines
    most = engines.max_replicas if isinstance(engines, AutoscalingConfig) else engines
    return math.ceil(2 * most * config.engine.max_num_seqs / config.replicas.ingresses)
