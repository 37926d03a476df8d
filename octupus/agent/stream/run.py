"""One question being worked on: the solver runs as a task, and its events are read while it does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from octupus.agent.solve.tree import Solution
from octupus.agent.stream.wire import Wire
from octupus.errors import OctupusError

EVENTS_HELD = 2048
"""Events that may wait for a client; one that reads more slowly than that is given up."""

logger = logging.getLogger(__name__)

Tell = Callable[[dict[str, Any]], None]
"""Takes a line; called on the event loop."""
Work = Callable[[Tell], Awaitable[Solution]]


class Run:
    """The lines of one question's stream. The last is `on_request_end` or `on_error`; without one it was cut off."""

    def __init__(self, work: Work, wire: Wire, max_runtime_s: float, release: Callable[[], None]) -> None:
        """`release` is called once, when the work has ended, or the run is closed without having been begun."""
        self._work = work
        self._wire = wire
        self._max_runtime_s = max_runtime_s
        self._release = release
        self._queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._task: asyncio.Task[Solution] | None = None
        self._overrun = False
        self._late = False

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Start the work, and give its lines as it goes."""
        self._task = asyncio.create_task(self._bounded())
        self._task.add_done_callback(self._ended)
        while (line := await self._queue.get()) is not None:
            yield line
        yield self._last(self._task)

    async def close(self) -> None:
        """Stop the work, if it has not ended."""
        if self._task is None:
            self._release()
        else:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _ended(self, _: asyncio.Task[Solution]) -> None:
        # Not where the stream ends: a client that reads no further would hold its place for ever.
        self._release()
        self._queue.put_nowait(None)

    async def _bounded(self) -> Solution:
        try:
            async with asyncio.timeout(self._max_runtime_s) as limit:
                return await self._work(self._tell)
        finally:
            self._late = limit.expired()

    def _tell(self, line: dict[str, Any]) -> None:
        if self._queue.qsize() < EVENTS_HELD:
            self._queue.put_nowait(line)
        elif self._task is not None:
            self._overrun = True
            self._task.cancel()

    def _last(self, task: asyncio.Task[Solution]) -> dict[str, Any]:
        """The last line."""
        if self._overrun:
            return self._wire.error(f"{EVENTS_HELD} events were not read in time, so the run was stopped", "not_read")
        if self._late:
            return self._wire.error(f"the run took longer than {self._max_runtime_s:g} s", "timeout")
        if task.cancelled():
            return self._wire.error("the run was stopped", "stopped")
        error = task.exception()
        if error is None:
            return self._wire.end(task.result())
        if isinstance(error, OctupusError):
            return self._wire.error(str(error), "failed")
        logger.error("run_failed", exc_info=error)
        return self._wire.error(f"the agent failed with {type(error).__name__}; its log says more", "internal_error")
