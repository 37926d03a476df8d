"""A client that goes away: what is being done for it ends at once, whether its answer is streamed or whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class ClientGoneError(Exception):
    """The client closed its connection before its answer was whole."""


@asynccontextmanager
async def while_connected(receive: Receive) -> AsyncIterator[None]:
    """Cancel what the block does when the client goes. Raises ClientGoneError then.

    The body must have been read: what `receive` gives besides the end of the connection is thrown away.
    """
    task = asyncio.current_task()
    assert task is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if gone and task.uncancel() == 0:
            raise ClientGoneError("the client is gone") from None
        raise
    finally:
        watcher.cancel()


class EventStream(Response):
    """Server-sent events. Each item of `events` is sent as it comes."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[str], **options: Any) -> None:
        self._events = events
        self.status_code = 200
        self.background = None
        # No proxy on the way may hold events back.
        self.init_headers({"cache-control": "no-cache", "x-accel-buffering": "no"} | options)

    def init_headers(self, headers: Any = None) -> None:
        """As Response, which asks for a body to count."""
        self.body = b""
        super().init_headers(headers)
        self.raw_headers = [item for item in self.raw_headers if item[0] != b"content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until they or the client end."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        # The edge sees that the client is gone, and Starlette takes no error from a response that has begun.
        with suppress(ClientGoneError):
            async with while_connected(receive), aclosing(self._events) as events:
                async for event in events:
                    await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
