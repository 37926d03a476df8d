"""What a solver tells while it works, under the names that ToolBench's backend streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

EventName = Literal[
    "on_request_start",
    "on_tool_retrieval_start",
    "on_tool_retrieval_end",
    "on_chain_start",
    "on_llm_start",
    "on_llm_end",
    "on_agent_action",
    "on_tool_start",
    "on_tool_end",
    "on_agent_end",
    "on_chain_end",
    "on_request_end",
    "on_error",
]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at a node of the search tree."""

    name: EventName
    node: int = 0
    """The node's number, counted from 0 at the root in the order in which nodes were made."""
    parent: int | None = None
    depth: int = 0
    data: dict[str, Any] = field(default_factory=dict)
    """What the event is about, as plain JSON values."""


Listener = Callable[[Event], None]
"""Called on the solver's event loop; must return at once."""


def silent(event: Event) -> None:
    """Listens to nothing."""
