"""Tools that can be called: what a model sees of them, and the sources that run them.

A source runs tools without keeping anything: the state goes in with a call and comes back with its result. So the state
after any call can be gone back to, which is what a search over calls needs, and one source serves many at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from octupus.agent.tools.status import Status
from octupus.conversation import Tool
from octupus.errors import ConfigError

State = Any
"""A JSON value that holds all that calls of a source may change; None for tools that keep nothing."""


@dataclass(frozen=True, slots=True)
class ToolEntry:
    """A tool, and where it stands among others."""

    tool: Tool
    """Name, description and schema of arguments, as an OpenAI client sends them."""
    category: str = ""
    """ToolBench's category, such as `Finance`."""
    collection: str = ""
    """What it belongs to: ToolBench's tool, a Python module, a server."""
    api: str = ""
    """Its own name within the collection."""

    @property
    def name(self) -> str:
        """The name it is called by."""
        return self.tool.function.name


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call gave. `text` is what the model is told: JSON where the tool ran, else a sentence of what is wrong."""

    status: Status
    text: str

    @property
    def ok(self) -> bool:
        """Whether the tool ran and found nothing wrong."""
        return self.status is Status.OK


class ToolSource(Protocol):
    """Tools of one origin, and what runs them."""

    @property
    def entries(self) -> Sequence[ToolEntry]:
        """The tools, in an order that does not change."""
        ...

    @property
    def restorable(self) -> bool:
        """Whether the state is all that calls may change, so that going back to one undoes what came after it."""
        ...

    async def initial_state(self, seed: int) -> State:
        """The state that everything begins with; equal seeds give equal states."""
        ...

    async def call(self, name: str, arguments: Mapping[str, Any], state: State) -> tuple[ToolResult, State]:
        """The result and the state after it; the one that was given stays as it is.

        `arguments` satisfy the tool's schema. Whatever the tool does is a result: it raises for no tool's fault.
        """
        ...

    async def close(self) -> None:
        """End what runs the tools."""
        ...


class Toolbox:
    """The tools of several sources under one set of names. Raises ConfigError when two have the same name."""

    def __init__(self, sources: Sequence[ToolSource]) -> None:
        self.sources = tuple(sources)
        self._places: dict[str, tuple[int, ToolEntry]] = {}
        for position, source in enumerate(self.sources):
            for entry in source.entries:
                if entry.name in self._places:
                    other = self._places[entry.name][1]
                    raise ConfigError(
                        f"two tools are named {entry.name}: one of {other.collection or 'a source without a name'}, "
                        f"one of {entry.collection or 'another'}; leave one of the sources out, or rename the tool"
                    )
                self._places[entry.name] = (position, entry)

    @property
    def entries(self) -> tuple[ToolEntry, ...]:
        """All tools, source by source."""
        return tuple(entry for _, entry in self._places.values())

    @property
    def restorable(self) -> bool:
        """Whether every source's state can be gone back to."""
        return all(source.restorable for source in self.sources)

    def entry(self, name: str) -> ToolEntry:
        """Raises KeyError."""
        return self._places[name][1]

    def place(self, name: str) -> int:
        """Which source runs a tool. Raises KeyError."""
        return self._places[name][0]

    def __contains__(self, name: object) -> bool:
        return name in self._places

    async def initial_states(self, seed: int) -> tuple[State, ...]:
        """Each source's state at the beginning."""
        return tuple([await source.initial_state(seed) for source in self.sources])

    async def close(self) -> None:
        """End what runs the tools."""
        for source in self.sources:
            await source.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
