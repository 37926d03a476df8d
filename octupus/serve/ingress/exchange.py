"""One request's messages on their way through the edge, which passes them on and notes what they tell."""

from __future__ import annotations

import asyncio

from ray.exceptions import RayError
from starlette.types import Message, Receive, Send

from octupus.errors import RequestError
from octupus.serve.ingress.record import RequestRecord
from octupus.serve.ingress.request_ids import HEADER, without_request_id


class Exchange:
    """Stands between server and application; `receive` and `send` are those of ASGI."""

    def __init__(
        self, record: RequestRecord, receive: Receive, send: Send, body_timeout_s: float, add_request_id: bool
    ) -> None:
        self._record = record
        self._receive = receive
        self._send = send
        self._body_timeout_s = body_timeout_s
        self._deadline = asyncio.get_running_loop().time() + body_timeout_s
        self._add_request_id = add_request_id
        self._body_whole = False
        self.begun = False
        """Whether the answer's status line was sent."""
        self.complete = False
        """Whether the answer's last byte was sent."""
        self.disconnected = False
        """Whether the client went before the answer was complete."""

    async def receive(self) -> Message:
        """The server's next message. Raises RequestError 408 when the body does not arrive in time."""
        message = await (self._receive_message() if self._body_whole or self.begun else self._receive_in_time())
        if message["type"] == "http.request":
            self._body_whole = not message.get("more_body", False)
        elif message["type"] == "http.disconnect" and not self.complete:
            self.disconnected = True
        return message

    async def send(self, message: Message) -> None:
        """Pass the application's message on, with exactly one request id among its headers."""
        if message["type"] == "http.response.start":
            self.begun = True
            self._record.status = message["status"]
            headers = without_request_id(message.get("headers", ()))
            if self._add_request_id:
                headers.append((HEADER, self._record.request_id.encode("ascii")))
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            # Before it is sent: once it is, the server may tell whoever listens that the client went.
            self.complete = not self.disconnected
        await self._send(message)

    async def _receive_message(self) -> Message:
        try:
            return await self._receive()
        except RayError:
            # Serve cancels its own fetching of messages when a client goes, and at times that is told first.
            return {"type": "http.disconnect"}

    async def _receive_in_time(self) -> Message:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._receive_message()
        except TimeoutError:
            if self.begun:
                return await self._receive_message()
            raise RequestError(
                f"the request's body did not arrive within {self._body_timeout_s:g} s", code="timeout", status=408
            ) from None
