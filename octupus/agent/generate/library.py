"""The modules that goals are about: their tools, their states, and environments over some of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

from octupus.agent.environment import Environment
from octupus.agent.tools.config import LimitsConfig
from octupus.agent.tools.toolbox import Toolbox, ToolSource
from octupus.conversation import Tool


class Library:
    """Sources of tools by module. `await Library.open(...)` makes one of the tools that come with octupus."""

    def __init__(self, sources: Mapping[str, ToolSource]) -> None:
        self._sources = dict(sorted(sources.items()))
        self._states: dict[tuple[str, int], Any] = {}

    @classmethod
    async def open(cls, modules: Sequence[str], limits: LimitsConfig) -> Self:
        """The library's modules by name; `all` stands for every one. Raises ConfigError."""
        from octupus.agent.tools.python_source import library_sources

        sources = await library_sources(tuple(modules), limits, ())
        return cls({source.entries[0].collection: source for source in sources})

    @property
    def modules(self) -> tuple[str, ...]:
        """Their names in alphabetical order."""
        return tuple(self._sources)

    def tools(self, module: str) -> tuple[Tool, ...]:
        """A module's tools in their order. Raises KeyError."""
        return tuple(entry.tool for entry in self._sources[module].entries)

    async def states(self, modules: Collection[str], seed: int) -> dict[str, Any]:
        """The states that modules begin in, to be read only; None for those that keep nothing."""
        for module in modules:
            if (module, seed) not in self._states:
                self._states[module, seed] = await self._sources[module].initial_state(seed)
        return {module: self._states[module, seed] for module in modules}

    async def environment(self, modules: Collection[str], seed: int) -> Environment:
        """A fresh environment over these modules, all of whose tools are offered."""
        toolbox = Toolbox([self._sources[module] for module in sorted(modules)])
        return await Environment.open(toolbox, seed)

    async def close(self) -> None:
        """End what runs the tools."""
        for source in self._sources.values():
            await source.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
