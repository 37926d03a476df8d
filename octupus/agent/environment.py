"""What a solver acts upon: tools that are offered, calls that really run, and states that can be gone back to."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any, Self

from octupus.agent.tools.status import Status
from octupus.agent.tools.toolbox import State, Toolbox, ToolResult
from octupus.conversation import Tool, json_text
from octupus.errors import ConfigError
from octupus.schema.validation import InvalidJsonError, parse_arguments, validator

States = tuple[State, ...]
"""One state for each source of the toolbox."""


class ResultCache:
    """Results by tool, canonical arguments and the state that the call began in; the oldest are let go.

    The state belongs to the key: the same call means something else after money was moved.
    """

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._kept: OrderedDict[str, tuple[ToolResult, State]] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def get(self, key: str) -> tuple[ToolResult, State] | None:
        """What was kept for `key`."""
        found = self._kept.get(key)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._kept.move_to_end(key)
        return found

    def put(self, key: str, result: ToolResult, state: State) -> None:
        """Keep a result. What may be otherwise the next time is not: limits that were hit, servers that are gone."""
        if result.status in (Status.OK, Status.TOOL_ERROR):
            self._kept[key] = (result, state)
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)


class Environment:
    """One session over a toolbox, of which some tools are offered. `await Environment.open(...)` makes one."""

    def __init__(
        self, toolbox: Toolbox, states: States, offered: Sequence[str] | None = None, cache: ResultCache | None = None
    ) -> None:
        names = [entry.name for entry in toolbox.entries] if offered is None else list(dict.fromkeys(offered))
        missing = [name for name in names if name not in toolbox]
        if missing:
            raise ConfigError(f"the toolbox has no tool {', '.join(missing)}; offer tools that it has")
        self._toolbox = toolbox
        self._validators = {name: validator(toolbox.entry(name).tool.function.parameters) for name in names}
        self._states = states
        self._cache = cache if toolbox.restorable else None
        self._one_call = asyncio.Lock()
        self.tools: tuple[Tool, ...] = tuple(toolbox.entry(name).tool for name in names)
        self.statuses: Counter[Status] = Counter()

    @classmethod
    async def open(
        cls, toolbox: Toolbox, seed: int = 0, offered: Sequence[str] | None = None, cache: ResultCache | None = None
    ) -> Self:
        """An environment in the state that `seed` gives. Raises ConfigError when an offered tool is not there."""
        return cls(toolbox, await toolbox.initial_states(seed), offered, cache)

    @property
    def restorable(self) -> bool:
        """Whether going back to a state undoes everything."""
        return self._toolbox.restorable

    def snapshot(self) -> States:
        """The states as they are now. They are never changed in place, so this costs nothing."""
        return self._states

    def restore(self, states: States) -> None:
        """Go back to what `snapshot` gave."""
        self._states = states

    def state(self) -> dict[str, Any]:
        """All states by the collection of their source, for comparing what calls led to."""
        named: dict[str, Any] = {}
        for position, (source, state) in enumerate(zip(self._toolbox.sources, self._states, strict=True)):
            if state is not None:
                collection = source.entries[0].collection if source.entries else ""
                # Two sources may call themselves the same.
                named[f"{collection}#{position}" if collection in named or not collection else collection] = state
        return named

    async def call(self, name: str, arguments: str) -> ToolResult:
        """Run a tool on the arguments that a model wrote; whatever is wrong with them or the tool is a result.

        Calls that are made at once run one after the other, since each begins in the state that the last one left.
        """
        async with self._one_call:
            result = await self._call(name, arguments)
        self.statuses[result.status] += 1
        return result

    async def _call(self, name: str, text: str) -> ToolResult:
        compiled = self._validators.get(name)
        if compiled is None:
            offered = ", ".join(self._validators)
            return ToolResult(Status.UNKNOWN_TOOL, f"there is no tool {name!r}; the tools are: {offered}")
        try:
            arguments = parse_arguments(text)
        except InvalidJsonError as error:
            return ToolResult(Status.BAD_INPUT, f"the arguments of {name} are no JSON object: {error}")
        broken = compiled.violations(arguments)
        if broken:
            where = broken[0].pointer or "/"
            return ToolResult(
                Status.BAD_INPUT, f"the arguments of {name} break its schema at {where}: {broken[0].message}"
            )
        place = self._toolbox.place(name)
        state = self._states[place]
        key = json_text([place, name, arguments, state], sort_keys=True) if self._cache is not None else ""
        found = self._cache.get(key) if self._cache is not None else None
        if found is None:
            found = await self._toolbox.sources[place].call(name, arguments, state)
            if self._cache is not None:
                self._cache.put(key, *found)
        result, after = found
        self._states = (*self._states[:place], after, *self._states[place + 1 :])
        return result
