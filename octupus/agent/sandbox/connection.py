"""One running process for a module of tools: starting it, frames to and from it, and its end."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import Any, Self

import octupus
from octupus.agent.sandbox.frames import HEADER, frame, longest_payload
from octupus.agent.sandbox.zygote import Setup
from octupus.errors import OctupusError
from octupus.schema.validation import InvalidJsonError, parse_json

_ROOT = str(Path(octupus.__file__).parents[1])
_MAIN = "import sys; sys.path.insert(0, sys.argv[1]); from octupus.agent.sandbox.worker import main; main()"
_OPTIONS = ("-s", "-S", "-P", "-B", "-X", "utf8", "-c", _MAIN)
_ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""With it, sets are in the same order every time."""
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "PYTHONHOME")
"""Without them some Pythons do not start. Nothing else is passed on, and tools see no variable at all."""
_ERRORS = "errors"
"""The file in the box that the process writes to when it cannot even start."""
_LONGEST_END_S = 10.0


class SandboxError(OctupusError):
    """The process of a module's tools cannot be started, or is gone."""


class Connection:
    """A process that has imported its module. `await Connection.start(...)` makes one."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._socket, theirs = socket.socketpair()
        with theirs, (Path(setup.box) / _ERRORS).open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *_OPTIONS, _ROOT, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=(theirs.fileno(),),
                env=_ENVIRONMENT | {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
                cwd="/",
                start_new_session=True,
            )
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self.described: dict[str, Any] = {}
        """What `loading.load` tells of the module, and `missing`, what is not confined."""

    @classmethod
    async def start(cls, setup: Setup) -> Self:
        """Start the process and wait until it has imported its module; `setup.box` is filled in here.

        Raises SandboxError with what is wrong when it does not come up in `setup.start_timeout_s`.
        """
        box = tempfile.mkdtemp(prefix="octupus-box-")
        try:
            connection = cls(dataclasses.replace(setup, box=box))
        except OSError as error:
            shutil.rmtree(box, ignore_errors=True)
            raise SandboxError(f"its process cannot be started: {error}") from error
        try:
            async with asyncio.timeout(setup.start_timeout_s):
                await connection._begin()
        except TimeoutError:
            await connection.end()
            raise SandboxError(f"its import took longer than {setup.start_timeout_s:g} s") from None
        except BaseException:
            await connection.end()
            raise
        return connection

    async def _begin(self) -> None:
        reader, self._writer = await asyncio.open_connection(sock=self._socket)
        try:
            self._writer.write(frame(0, json.dumps(dataclasses.asdict(self._setup)).encode()))
            _, payload = await self._next_frame(reader)
            self.described = json.loads(payload)
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            said = _last_line(Path(self._setup.box) / _ERRORS)
            raise SandboxError(f"its process ended while it was imported{said}") from None
        if "failed" in self.described:
            raise SandboxError(self.described["failed"])
        self._reading = asyncio.create_task(self._read(reader))

    @property
    def alive(self) -> bool:
        """Whether calls can be made."""
        return self._ending is None and self._reading is not None and not self._reading.done()

    async def call(self, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """What came of a call, as `calls.run` says it. A call that is cancelled is stopped.

        Raises TimeoutError when the process does not answer, and SandboxError when it is gone or its answer makes no
        sense.
        """
        if self._writer is None or not self.alive:
            raise SandboxError("the process that runs it ended")
        number = next(self._numbers)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._writer.write(frame(number, json.dumps(request, ensure_ascii=True).encode()))
            async with asyncio.timeout(timeout_s):
                payload = await answer
        except asyncio.CancelledError:
            if self.alive:
                self._writer.write(frame(number, b""))
            raise
        finally:
            self._waiting.pop(number, None)
        try:
            outcome = parse_json(payload.decode())
        except (InvalidJsonError, UnicodeDecodeError):
            outcome = None
        if not isinstance(outcome, dict):
            raise SandboxError("it wrote what is no result")
        return outcome

    async def end(self) -> None:
        """End the process and all that it started; returns when they are gone. Ending twice is one end."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._fail_waiting()
        if self._writer is not None:
            self._writer.transport.abort()
        self._socket.close()
        # The keeper sees that the socket is closed; waiting for it is quick, and must not hold up the event loop.
        try:
            await asyncio.to_thread(self._process.wait, _LONGEST_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        shutil.rmtree(self._setup.box, ignore_errors=True)

    async def _next_frame(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        length, number = HEADER.unpack(await reader.readexactly(HEADER.size))
        if length > longest_payload(self._setup.result_bytes):
            raise ConnectionError("a frame is longer than any answer")
        return number, await reader.readexactly(length)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                number, payload = await self._next_frame(reader)
                answer = self._waiting.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._fail_waiting()

    def _fail_waiting(self) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(SandboxError("the process that runs it ended"))


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return f": {lines[-1]}" if lines else ""


def own_paths() -> list[str]:
    """Where this process finds modules, as absolute paths that another one can use, octupus's own place last."""
    found = [os.path.abspath(entry) for entry in sys.path if not entry or Path(entry).exists()]  # noqa: PTH100
    return list(dict.fromkeys([*found, _ROOT]))
