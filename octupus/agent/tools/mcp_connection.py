"""A session with an MCP server that any task may use and any task may close."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Self

import httpx2
from mcp import Client
from mcp.client import Transport
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, INVALID_REQUEST, Tool

from octupus.agent.tools.authorization import Authorization
from octupus.agent.tools.config import ToolSourceConfig
from octupus.agent.tools.mcp_stdio import StdioServer

OPEN_TIMEOUT_S = 60.0
"""Longest wait for a server to start and list its tools; some install themselves first."""
CLOSE_TIMEOUT_S = 5.0
"""Longest wait for a session to end in good order; a process takes less."""
MESSAGE_BYTES = 16 * 1024 * 1024
"""Least limit of one message; results have a limit of their own, which counts after reading."""
MOST_PAGES = 1000

_HTTP_STATUS: ContextVar[list[int] | None] = ContextVar("_HTTP_STATUS", default=None)


class McpServerError(Exception):
    """The server cannot be reached, or is gone; the message says why."""


class McpConnection:
    """One session. It lives in one task of its own, because `mcp` opens scopes that must be left where they were
    entered; calls only pass messages to that task, so they come from any other.
    """

    def __init__(self, config: ToolSourceConfig, authorization: Authorization) -> None:
        self._config = config
        self._authorization = authorization
        limit = max(MESSAGE_BYTES, 4 * config.limits.result_bytes)
        self._message_bytes = limit
        self._process = StdioServer(config.mcp_command, limit) if config.mcp_command else None
        self._closing = asyncio.Event()
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        self._gone = False
        self.tools: list[Tool] = []
        self.doubtful = False
        """Whether the last call was not answered in time."""

    @classmethod
    async def open(cls, config: ToolSourceConfig, authorization: Authorization) -> Self:
        """Reach the server and list its tools. Raises McpServerError."""
        connection = cls(config, authorization)
        connection._task = asyncio.create_task(connection._hold())
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await asyncio.shield(connection._opened)
        except TimeoutError:
            await connection.close()
            raise McpServerError(connection._explained(f"no answer within {OPEN_TIMEOUT_S:g} s")) from None
        except BaseException:
            await connection.close()
            raise
        return connection

    @property
    def client(self) -> Client:
        """For calls."""
        assert self._client is not None
        return self._client

    @property
    def gone(self) -> bool:
        """Whether no call can be answered any more."""
        return self._gone or self._task is None or self._task.done()

    async def answers(self, timeout_s: float) -> bool:
        """Whether the server still answers anything."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.client.list_tools()
        except Exception:  # noqa: BLE001  # whatever a foreign server and package come up with
            return False
        self.doubtful = False
        return True

    def noticed(self, error: MCPError) -> bool:
        """Whether an error of a call means that the session is over, which is then remembered."""
        ended = (error.code == CONNECTION_CLOSED and error.message == "Connection closed") or (
            error.code == INVALID_REQUEST and error.message == "Session terminated"
        )
        self._gone = self._gone or ended
        return ended

    def ending(self) -> str:
        """How the server went, for results."""
        return self._process.ending() if self._process else "the connection was closed"

    async def close(self) -> None:
        """End the session, and the server if it is a process; closing twice is fine."""
        self._closing.set()
        if self._task is None:
            return
        if not self._opened.done():
            self._task.cancel()
        await asyncio.wait([self._task], timeout=CLOSE_TIMEOUT_S)
        if not self._task.done():  # a server by HTTP is told, and may not answer that either
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._opened.done() and not self._opened.cancelled():
            self._opened.exception()  # taken, so that nothing warns of it

    async def _hold(self) -> None:
        try:
            # No cache: a list of tools is asked for to learn whether the server still answers.
            async with Client(self._transport(), cache=None) as self._client:
                self.tools = await _listed(self._client)
                self._opened.set_result(None)
                await self._closing.wait()
        except asyncio.CancelledError:
            self._fail("it was closed")
            raise
        except Exception as error:  # noqa: BLE001  # a foreign package over a foreign server: of any kind, or a group
            self._fail(_innermost(error))
        finally:
            self._gone = True

    def _fail(self, reason: str) -> None:
        if not self._opened.done():
            self._opened.set_exception(McpServerError(self._explained(reason)))

    def _explained(self, reason: str) -> str:
        said = self._process.last_error_line() if self._process else ""
        return self._authorization.redacted(f"{reason}; its last line of standard error: {said}" if said else reason)

    def _transport(self) -> Transport:
        return self._process.running() if self._process else self._http()

    @asynccontextmanager
    async def _http(self) -> AsyncGenerator[Any]:
        assert self._config.mcp_url is not None
        http = httpx2.AsyncClient(
            headers={**self._authorization.headers, "Accept-Encoding": "identity"},
            timeout=httpx2.Timeout(None, connect=OPEN_TIMEOUT_S),  # calls have a limit of their own
            event_hooks={"response": [self._received]},
        )
        # Redirects are followed by the package, within the address's own origin only.
        transport = streamable_http_client(
            self._config.mcp_url, http_client=http, max_sse_event_size=self._message_bytes
        )
        async with http, transport as streams:
            yield streams

    async def _received(self, response: httpx2.Response) -> None:
        statuses = _HTTP_STATUS.get()
        if statuses is not None:
            statuses.append(response.status_code)
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _Bounded(response.stream, self._message_bytes)


def watch_statuses() -> list[int]:
    """Statuses of the HTTP responses to what the calling task sends from now on."""
    statuses: list[int] = []
    _HTTP_STATUS.set(statuses)
    return statuses


class _Bounded(httpx2.AsyncByteStream):
    """A response's bytes, up to a limit; events of a stream have one already."""

    def __init__(self, stream: httpx2.AsyncByteStream, most_bytes: int) -> None:
        self._stream = stream
        self._left = most_bytes

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        async for piece in self._stream:
            self._left -= len(piece)
            if self._left < 0:
                raise httpx2.StreamError("the server's answer is too long")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _listed(client: Client) -> list[Tool]:
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            return tools
    raise McpServerError(f"its list of tools has more than {MOST_PAGES} pages")


def _innermost(error: BaseException) -> str:
    """The first error of a group that says something: groups only say that there were some."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if not isinstance(error, MCPError | McpServerError) else str(error)
