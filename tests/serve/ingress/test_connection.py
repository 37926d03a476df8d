"""Clients that go away: the work for them ends, wherever it stands."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from octupus.serve.ingress.connection import ClientGoneError, EventStream, while_connected


async def never() -> Any:
    await asyncio.sleep(3600)


async def gone() -> Any:
    await asyncio.sleep(0.01)
    return {"type": "http.disconnect"}


def test_work_for_a_client_that_stays_is_done() -> None:
    async def run() -> int:
        async with while_connected(never):
            await asyncio.sleep(0)
            return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 2


def test_work_for_a_client_that_goes_is_cancelled() -> None:
    async def run() -> None:
        async with while_connected(gone):
            await asyncio.sleep(3600)

    with pytest.raises(ClientGoneError):
        asyncio.run(run())


def test_a_cancellation_from_elsewhere_is_no_client_that_goes() -> None:
    async def run() -> None:
        async def work() -> None:
            async with while_connected(never):
                await asyncio.sleep(3600)

        task = asyncio.create_task(work())
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())


def test_a_stream_ends_with_its_client() -> None:
    closed: list[str] = []
    sent: list[dict[str, Any]] = []

    async def events() -> AsyncGenerator[str]:
        try:
            yield "one"
            await asyncio.sleep(3600)
            yield "never"
        finally:
            closed.append("closed")

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        await EventStream(events())({"type": "http"}, gone, send)

    asyncio.run(run())
    assert closed == ["closed"]
    assert [message.get("body") for message in sent] == [None, b"one"]
    assert (b"content-type", b"text/event-stream; charset=utf-8") in sent[0]["headers"]


def test_a_whole_stream_is_closed_properly() -> None:
    sent: list[dict[str, Any]] = []

    async def events() -> AsyncGenerator[str]:
        yield "one"
        yield "two"

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(EventStream(events())({"type": "http"}, never, send))  # type: ignore[arg-type]
    assert [message.get("body") for message in sent[1:]] == [b"one", b"two", b""]
    assert [message["more_body"] for message in sent[1:]] == [True, True, False]
    assert not any(name == b"content-length" for name, _ in sent[0]["headers"])
