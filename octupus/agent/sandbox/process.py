"""Tools of one Python module, run in processes of their own under limits; what goes wrong in them is a result."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from octupus.agent.sandbox.confinement import Confinement
from octupus.agent.sandbox.connection import Connection, SandboxError, own_paths
from octupus.agent.sandbox.loading import INITIAL_STATE
from octupus.agent.sandbox.zygote import Setup
from octupus.agent.tools.config import LimitsConfig
from octupus.agent.tools.status import Status
from octupus.agent.tools.toolbox import ToolResult
from octupus.conversation import json_text
from octupus.errors import ConfigError
from octupus.schema.validation import InvalidJsonError, parse_json

START_TIMEOUT_S = 60.0
"""Longest time for importing a module."""
ANSWER_GRACE_S = 10.0
"""What the process is given beyond a call's time before it counts as hanging itself."""
IDLE_S = 120.0
"""A process, which takes 16 MiB or so, without calls for so long is ended; the next call starts another."""

State = Any
_FROM_CALLS = (Status.OK, Status.TOOL_ERROR, Status.REQUEST_ERROR, Status.TIMEOUT)


class SandboxProcess:
    """Runs functions of a module. The process starts with the first call, and anew after it was lost."""

    def __init__(
        self, module: str | Path, limits: LimitsConfig, describe: bool = True, start_timeout_s: float = START_TIMEOUT_S
    ) -> None:
        """`module` is a dotted name or a file. Raises ConfigError when no such file or package is found."""
        self._module = module
        self._limits = limits
        self._setup = Setup(
            module=str(module.absolute() if isinstance(module, Path) else module),
            describe=describe,
            paths=[*own_paths(), *([str(module.absolute().parent)] if isinstance(module, Path) else [])],
            read=_readable(module),
            box="",
            timeout_s=limits.timeout_s,
            start_timeout_s=start_timeout_s,
            memory_mib=limits.memory_mib,
            result_bytes=limits.result_bytes,
            network=limits.network,
        )
        self._connection: Connection | None = None
        self._starting = asyncio.Lock()
        self._gate = asyncio.Semaphore(os.cpu_count() or 1)
        self._under_way = 0
        self._idle: asyncio.TimerHandle | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._closed = False
        self.confinement: Confinement | None = None
        """What holds the process; None before the first start."""

    async def start(self) -> dict[str, Any]:
        """Start the process if none runs; gives what its module says of its functions (`loading.Loaded.described`).

        Raises SandboxError when the module cannot be imported or described.
        """
        connection = await self._connected()
        self._watch_idleness()
        functions: dict[str, Any] = connection.described["functions"]
        return functions

    async def call(
        self, function: str, arguments: Mapping[str, Any], state: State, stateful: bool
    ) -> tuple[ToolResult, State]:
        """Run a function. Whatever happens is a result; one that is not OK comes with the state as it was given.

        `stateful` says whether the function takes the state; it gets a copy.
        """
        request = {"function": function, "arguments": dict(arguments)}
        if stateful:
            request["state"] = json_text(state)
        outcome = await self._outcome(request)
        result = _result(outcome)
        if not result.ok or not isinstance(outcome.get("state"), str):
            return result, state
        try:
            return result, parse_json(outcome["state"])
        except InvalidJsonError as error:
            return ToolResult(Status.REQUEST_ERROR, f"the state that it left is no JSON: {error}"), state

    async def initial_state(self, seed: int) -> State:
        """What the module's `initial_state(seed)` gives. Raises ConfigError when that fails."""
        result = _result(await self._outcome({"function": INITIAL_STATE, "arguments": {"seed": seed}}))
        if not result.ok:
            raise ConfigError(f"{self._module}: initial_state({seed}) gives no state: {result.text}")
        return parse_json(result.text)

    async def close(self) -> None:
        """End the process and its calls; closing twice is one close."""
        self._closed = True
        if self._idle is not None:
            self._idle.cancel()
        async with self._starting:
            connection, self._connection = self._connection, None
        if connection is not None:
            await connection.end()
        if self._retiring:
            await asyncio.gather(*self._retiring)

    async def _outcome(self, request: dict[str, Any]) -> dict[str, Any]:
        self._under_way += 1
        try:
            async with self._gate:
                return await self._ask(request)
        except SandboxError as error:
            return {"status": int(Status.REQUEST_ERROR), "text": str(error)}
        finally:
            self._under_way -= 1
            self._watch_idleness()

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        connection = await self._connected()
        try:
            return await connection.call(request, self._limits.timeout_s + ANSWER_GRACE_S)
        except TimeoutError:
            await connection.end()
            return {"status": int(Status.TIMEOUT), "text": "its process did not answer and was ended"}

    async def _connected(self) -> Connection:
        async with self._starting:
            if self._closed:
                raise SandboxError("its tools were closed")
            if self._connection is None or not self._connection.alive:
                if self._connection is not None:
                    await self._connection.end()
                    self._connection = None
                self._connection = await Connection.start(self._setup)
                self.confinement = Confinement(tuple(self._connection.described["missing"]))
                self.confinement.tell()
            return self._connection

    def _watch_idleness(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if not self._closed:
            self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._retire)

    def _retire(self) -> None:
        if self._under_way == 0 and self._connection is not None:
            task = asyncio.get_running_loop().create_task(self._connection.end())
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)


def _result(outcome: Mapping[str, Any]) -> ToolResult:
    with contextlib.suppress(ValueError):
        status, text = Status(outcome.get("status", -1)), outcome.get("text")
        if status in _FROM_CALLS and isinstance(text, str):
            return ToolResult(status, text)
    return ToolResult(Status.REQUEST_ERROR, "it wrote what is no result")


def _readable(module: str | Path) -> list[str]:
    """What a module's process may read: the module's directory or package, and where installed packages are."""
    installed = [
        path
        for path in own_paths()
        if Path(path).is_relative_to(sys.prefix) or Path(path).name in ("site-packages", "dist-packages")
    ]
    if isinstance(module, str):
        package = module.partition(".")[0]
        places = [Path(path) / name for path in own_paths() for name in (package, f"{package}.py")]
        found = next((place for place in places if place.exists()), None)
        if found is None:
            raise ConfigError(f"there is no module {module}: no {package} in any directory of Python's path")
        return [*installed, str(found)]
    file = module.absolute()
    if not file.is_file():
        raise ConfigError(f"there is no file {module}; name a Python module's file")
    # Who keeps tools directly in the home directory does not mean to show them all that is there.
    alone = Path(os.path.expanduser("~")).is_relative_to(file.parent)  # noqa: PTH111  Path.home() fails without one
    return [*installed, str(file if alone else file.parent)]
