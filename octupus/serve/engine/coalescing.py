"""Few, larger items across the Serve handle: tokens are gathered in windows that grow with the load.

What costs in Serve is the number of streamed items, not their size (`studies/serving.md`, section 7).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from octupus.serve.engine.sampling import Generated

LONGEST_WINDOW_S = 0.05
"""The gap between two items of one answer under full load; a person reads slower than that."""
FEW_REQUESTS = 4
"""Up to so many answers at once, each token is sent as it comes."""
MANY_REQUESTS = 32
"""From so many answers at once, windows are the longest."""


def window_s(active: int) -> float:
    """Seconds for which tokens are gathered, by the number of answers that the replica is generating."""
    share = (active - FEW_REQUESTS) / (MANY_REQUESTS - FEW_REQUESTS)
    return LONGEST_WINDOW_S * min(max(share, 0.0), 1.0)


async def coalesce(
    source: AsyncGenerator[Generated, None], window: Callable[[], float]
) -> AsyncGenerator[Generated, None]:
    """The items of `source`, joined.

    The first comes at once; behind each item the next is held back for `window()` seconds, 0 for not at all, and
    holds all that came meanwhile; the end comes at once. An error of `source` is raised behind the items before it.
    Closing or cancelling the iterator cancels the reading of `source` and closes it before it returns.
    """
    waiting: list[Generated] = []
    news = asyncio.Event()

    async def read() -> None:
        async with aclosing(source) as items:
            async for item in items:
                waiting.append(item)
                news.set()

    reading = asyncio.create_task(read())
    reading.add_done_callback(lambda _: news.set())
    try:
        while True:
            await news.wait()
            news.clear()
            finished = reading.done()
            if waiting:
                joined = join(waiting)
                waiting.clear()
                yield joined
            if finished:
                reading.result()
                return
            if (seconds := window()) > 0:
                await asyncio.wait([reading], timeout=seconds)
    finally:
        reading.cancel()
        await asyncio.wait([reading])  # until the source is closed
        if not reading.cancelled():
            reading.exception()  # raised above, or nobody is left to tell


def join(items: Sequence[Generated]) -> Generated:
    """One item with what follows each other in `items`, of which there is at least one."""
    if len(items) == 1:
        return items[0]
    scores = [score for item in items for score in item.scores or ()]
    return Generated(
        ids=[token for item in items for token in item.ids],
        finish_reason=items[-1].finish_reason,
        scores=scores if any(item.scores is not None for item in items) else None,
        cached_tokens=next((item.cached_tokens for item in items if item.cached_tokens is not None), None),
    )
