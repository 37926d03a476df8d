"""An MCP server as a child process: messages through its standard input and output, within a size, and a sure end.

The `mcp` package has such a transport, but reads a line of any length into memory, and leaves processes that the
server started when the server itself ends by its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from pydantic import ValidationError

GRACE_S = 1.0
"""How long a server may take to end after its input closed, and again after SIGTERM."""
ERROR_BYTES = 4096
"""The end of standard error that is kept, for saying why a server did not start."""
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME", "SHELL", "TERM")

_LOGGER = logging.getLogger(__name__)

Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


class StdioServer:
    """One server process, from `running` to its end."""

    def __init__(self, command: Sequence[str], line_bytes: int) -> None:
        self._command = tuple(command)
        self._line_bytes = line_bytes
        self._error = b""
        self._too_long = False
        self._exit: int | None = None

    def ending(self) -> str:
        """How the server ended, as far as it is known."""
        if self._too_long:
            return f"it sent a message longer than {self._line_bytes} bytes"
        if self._exit is None:
            return "it closed its output"
        if self._exit < 0:
            return f"it was ended by {signal.Signals(-self._exit).name}"
        return f"it ended with status {self._exit}"

    def last_error_line(self) -> str:
        """The last line that it wrote to standard error; empty when there is none."""
        lines = self._error.decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Streams]:
        """Start the server and exchange messages; at the end nothing of its process group is left.

        Raises OSError when the program cannot be started.
        """
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: os.environ[name] for name in _INHERITED if name in os.environ},
            start_new_session=True,  # a process group of its own, whose number is the process's
            limit=self._line_bytes,
        )
        to_session, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        to_server, from_session = anyio.create_memory_object_stream[SessionMessage](0)
        tasks = [
            asyncio.create_task(self._read(process, to_session)),
            asyncio.create_task(self._write(process, from_session, to_session)),
            asyncio.create_task(self._read_errors(process)),
        ]
        try:
            yield from_server, to_server
        finally:
            # Streams first: the reader may be waiting for a session that is gone.
            from_server.close()
            to_server.close()
            await _end(process)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            to_session.close()
            from_session.close()

    async def _read(
        self, process: asyncio.subprocess.Process, to_session: MemoryObjectSendStream[SessionMessage | Exception]
    ) -> None:
        """Pass on what the server says, until it says no more; then the session hears the end."""
        assert process.stdout is not None
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError), to_session:
            while True:
                try:
                    line = await process.stdout.readline()
                except ValueError:  # longer than the limit
                    self._too_long = True
                    return
                if not line:
                    if await _ended(process):
                        self._exit = process.returncode
                    return
                if not line.strip():
                    continue
                try:
                    message: SessionMessage | Exception = SessionMessage(jsonrpc_message_adapter.validate_json(line))
                except ValidationError as error:
                    _LOGGER.debug("an MCP server wrote a line that is no message")
                    message = error
                await to_session.send(message)

    async def _write(
        self,
        process: asyncio.subprocess.Process,
        from_session: MemoryObjectReceiveStream[SessionMessage],
        to_session: MemoryObjectSendStream[SessionMessage | Exception],
    ) -> None:
        assert process.stdin is not None
        try:
            async with from_session:
                async for message in from_session:
                    line = message.message.model_dump_json(by_alias=True, exclude_unset=True) + "\n"
                    process.stdin.write(line.encode())
                    await process.stdin.drain()
        except (ConnectionError, anyio.ClosedResourceError):
            to_session.close()  # else a request that never left would be waited for

    async def _read_errors(self, process: asyncio.subprocess.Process) -> None:
        """Take what it writes to standard error, so that it never waits for a reader."""
        assert process.stderr is not None
        while piece := await process.stderr.read(ERROR_BYTES):
            self._error = (self._error + piece)[-ERROR_BYTES:]


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close the input, wait, then end the whole process group, first kindly."""
    assert process.stdin is not None
    process.stdin.close()
    if not await _ended(process):
        _signal(process.pid, signal.SIGTERM)
        await _ended(process)
    _signal(process.pid, signal.SIGKILL)  # also what the server started and left
    await _ended(process)
    # Nothing public closes the pipes while a process that left the group holds their other ends.
    process._transport.close()  # type: ignore[attr-defined]


async def _ended(process: asyncio.subprocess.Process) -> bool:
    """Whether the process ends within GRACE_S."""
    deadline = asyncio.get_running_loop().time() + GRACE_S
    # Not `wait`: it also waits for the pipes, which what the server started may hold open.
    while process.returncode is None and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.01)
    return process.returncode is not None


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
