"""Tools of Python modules: the typed, documented, public functions of a file, a dotted name, or the shipped library."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from octupus.agent.sandbox.connection import SandboxError
from octupus.agent.sandbox.process import START_TIMEOUT_S, SandboxProcess, State
from octupus.agent.tools.config import LimitsConfig
from octupus.agent.tools.selection import selected
from octupus.agent.tools.toolbox import ToolEntry, ToolResult
from octupus.config import nearest
from octupus.conversation import FunctionDefinition, Tool
from octupus.errors import ConfigError
from octupus.schema.tool_names import LONGEST_NAME

EVERY_MODULE = "all"


class PythonSource:
    """The tools of one module. `await PythonSource.open(...)` makes one."""

    restorable = True

    def __init__(self, process: SandboxProcess, collection: str, described: Mapping[str, Any]) -> None:
        """`described` is what `process.start()` gave. Raises SandboxError when a function has no name for a tool."""
        tools = described["tools"]
        self._process = process
        self._stateful = frozenset(tool["name"] for tool in tools if tool["stateful"])
        self._gives_first_state: bool = described["initial_state"]
        self.entries: Sequence[ToolEntry] = [_entry(tool, described["category"], collection) for tool in tools]

    @classmethod
    async def open(
        cls,
        module: str,
        limits: LimitsConfig | None = None,
        only: Sequence[str] = (),
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> Self:
        """The tools of a dotted name or a .py file, or those that `only` names; the module is imported confined.

        Raises ConfigError when it cannot be imported, when a function cannot be a tool, or when `only` names what it
        does not have.
        """
        place = Path(module) if module.endswith(".py") or "/" in module else module
        process = SandboxProcess(place, limits or LimitsConfig(), start_timeout_s=start_timeout_s)
        try:
            source = cls(process, place.stem if isinstance(place, Path) else place, await process.start())
            if not source.entries:
                raise SandboxError("it defines no public function")
            source.entries = selected(source.entries, only, module)
        except SandboxError as error:
            await process.close()
            raise ConfigError(f"the tools of {module} cannot be used: {error}") from error
        except BaseException:
            await process.close()
            raise
        return source

    async def initial_state(self, seed: int) -> State:
        """What the module's `initial_state(seed)` gives; without one, an empty object if any tool has a state."""
        if self._gives_first_state:
            return await self._process.initial_state(seed)
        return {} if self._stateful else None

    async def call(self, name: str, arguments: Mapping[str, Any], state: State) -> tuple[ToolResult, State]:
        """Run a tool in a process of its own. A call that fails changes nothing."""
        return await self._process.call(name, arguments, state, stateful=name in self._stateful)

    async def close(self) -> None:
        """End the module's process."""
        await self._process.close()


async def library_sources(names: Sequence[str], limits: LimitsConfig, only: Sequence[str] = ()) -> list[PythonSource]:
    """The modules of the library that are named, or with `all` every one; `only` takes tools of them.

    A module of which `only` names nothing is left out. Raises ConfigError for a name that no module or tool has.
    """
    from octupus.agent.library.catalogue import MODULES, path_of

    for name in names:
        if name not in MODULES and name != EVERY_MODULE:
            near = nearest(name, MODULES)
            hint = f"did you mean {near!r}?" if near else f"its modules are: {', '.join(MODULES)}"
            raise ConfigError(f"the library has no module {name!r}; {hint}")
    gate = asyncio.Semaphore(os.cpu_count() or 1)

    async def open_module(name: str) -> PythonSource:
        async with gate:
            return await PythonSource.open(str(path_of(name)), limits)

    wanted = MODULES if EVERY_MODULE in names else dict.fromkeys(names)
    outcomes = await asyncio.gather(*map(open_module, wanted), return_exceptions=True)
    sources = [outcome for outcome in outcomes if isinstance(outcome, PythonSource)]
    try:
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        taken = selected([entry for source in sources for entry in source.entries], only, "the library")
    except BaseException:
        for source in sources:
            await source.close()
        raise
    names_taken = {entry.name for entry in taken}
    for source in sources:
        source.entries = [entry for entry in source.entries if entry.name in names_taken]
        if not source.entries:
            await source.close()
    return [source for source in sources if source.entries]


def _entry(tool: Mapping[str, Any], category: str, collection: str) -> ToolEntry:
    name = tool["name"]
    if not name.isascii() or len(name) > LONGEST_NAME:
        raise SandboxError(f"{name} is no name for a tool: up to {LONGEST_NAME} letters of ASCII, digits and _ are one")
    definition = FunctionDefinition(name=name, description=tool["description"], parameters=tool["parameters"])
    return ToolEntry(Tool(function=definition), category=category, collection=collection, api=name)
