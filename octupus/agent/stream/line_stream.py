"""An answer of JSON lines, each sent as it comes, that ends at once when its client goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Lines(Protocol):
    """What gives the lines."""

    def __aiter__(self) -> AsyncIterator[Mapping[str, Any]]:
        """The values of the lines, once."""
        ...

    async def close(self) -> None:
        """End the work behind them, whether it was begun or not."""
        ...


class LineStream(Response):
    """Newline-delimited JSON. Closes `lines` however it ends."""

    media_type = "application/x-ndjson"

    def __init__(self, lines: Lines) -> None:
        # No proxy on the way may hold lines back.
        super().__init__(None, headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the lines until they or the client end. The request's body must have been read."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            sending = asyncio.create_task(self._send_all(send))
            # An error while waiting for the client's messages means that there is no client any more.
            leaving = asyncio.create_task(_until_gone(receive))
            try:
                await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    sending.result()
            finally:
                sending.cancel()
                leaving.cancel()
                await asyncio.gather(sending, leaving, return_exceptions=True)
        finally:
            await self._lines.close()

    async def _send_all(self, send: Send) -> None:
        with suppress(OSError):  # some servers say so when the client is gone
            async for value in self._lines:
                # ASCII, since a text may hold half a surrogate pair, which UTF-8 cannot write.
                line = json.dumps(value, ensure_ascii=True) + "\n"
                await send({"type": "http.response.body", "body": line.encode(), "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
