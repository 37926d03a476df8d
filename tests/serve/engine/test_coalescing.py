"""Gathering tokens in windows, on asyncio alone."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.serve.engine.coalescing import LONGEST_WINDOW_S, coalesce, join, window_s
from octupus.serve.engine.sampling import Generated

NEVER = 1e6
ITEMS = [
    Generated([1], None, [[(1, -0.5)]], 7),
    Generated([2, 3], None, [[(2, -1.0)], [(3, -2.0)]]),
    Generated([4], "stop"),
]


class Source:
    """Items one by one, each when it is let through; then an error, or waiting for ever."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[Generated | Exception | None] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def stream(self) -> AsyncGenerator[Generated, None]:
        try:
            while (item := await self.items.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.closed.set()

    async def put(self, *items: Generated | Exception | None) -> None:
        for item in items:
            self.items.put_nowait(item)
        for _ in range(10):
            await asyncio.sleep(0)


@given(
    counts=st.lists(st.integers(1, 3), min_size=1, max_size=20),
    pauses=st.lists(st.booleans(), min_size=20, max_size=20),
    window=st.sampled_from([0.0, 0.001, 0.003]),
)
def test_nothing_is_lost_doubled_or_out_of_order(counts: list[int], pauses: list[bool], window: float) -> None:
    async def source() -> AsyncGenerator[Generated, None]:
        first = 0
        for place, count in enumerate(counts):
            if pauses[place]:
                await asyncio.sleep(0.001)
            yield Generated(list(range(first, first + count)), "stop" if place == len(counts) - 1 else None)
            first += count

    async def collect() -> list[Generated]:
        return [item async for item in coalesce(source(), lambda: window)]

    items = asyncio.run(collect())
    assert [token for item in items for token in item.ids] == list(range(sum(counts)))
    assert [item.finish_reason for item in items] == [None] * (len(items) - 1) + ["stop"]


def test_the_first_and_the_end_do_not_wait_for_the_window() -> None:
    async def check() -> None:
        source = Source()
        stream = coalesce(source.stream(), lambda: NEVER)
        await source.put(ITEMS[0])
        assert await anext(stream) == ITEMS[0]
        following = asyncio.ensure_future(anext(stream))
        await source.put(ITEMS[1])
        assert not following.done()
        await source.put(ITEMS[2], None)
        assert await following == Generated([2, 3, 4], "stop", ITEMS[1].scores)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    asyncio.run(check())


def test_an_error_comes_behind_the_tokens_before_it() -> None:
    async def check() -> None:
        source = Source()
        stream = coalesce(source.stream(), lambda: NEVER)
        await source.put(ITEMS[0])
        await anext(stream)
        await source.put(ITEMS[1], RuntimeError("engine"))
        assert (await anext(stream)).ids == [2, 3]
        with pytest.raises(RuntimeError, match="engine"):
            await anext(stream)
        assert source.closed.is_set()

    asyncio.run(check())


@pytest.mark.parametrize("inside_window", [False, True])
def test_cancelling_the_consumer_closes_the_source(inside_window: bool) -> None:
    async def check() -> None:
        source = Source()

        async def consume() -> None:
            async for _ in coalesce(source.stream(), lambda: NEVER if inside_window else 0.0):
                pass

        consumer = asyncio.create_task(consume())
        await source.put(ITEMS[0])
        consumer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await consumer
        assert source.closed.is_set()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(check())


def test_closing_the_iterator_closes_the_source() -> None:
    async def check() -> None:
        source = Source()
        stream = coalesce(source.stream(), lambda: 0.0)
        await source.put(ITEMS[0])
        await anext(stream)
        await stream.aclose()
        assert source.closed.is_set()

    asyncio.run(check())


def test_joined_items_keep_scores_cached_tokens_and_the_reason() -> None:
    assert join(ITEMS) == Generated([1, 2, 3, 4], "stop", [[(1, -0.5)], [(2, -1.0)], [(3, -2.0)]], 7)
    assert join(ITEMS[2:]) is ITEMS[2]


def test_the_window_grows_with_the_load_and_is_bounded() -> None:
    windows = [window_s(active) for active in range(200)]
    assert windows == sorted(windows)
    assert windows[1] == 0
    assert max(windows) == LONGEST_WINDOW_S
