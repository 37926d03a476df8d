"""What a solver tells while it works, under the names that ToolBench's backend streams.

    on_request_start      query, query_id, method, tools (names)
    on_tool_retrieval_*   start: query, top_k; end: tools (names); by `queries.offered_tools`
    on_chain_start        diversity, siblings: a message is about to be asked for; the node is new
    on_llm_start          messages (how many are sent), seed
    on_llm_end            content, calls (as OpenAI writes them), finish_reason, tokens_in, tokens_out
    on_agent_action       name, arguments, id: once for each call, also of Finish
    on_tool_start         name, arguments, id
    on_tool_end           name, id, status (a number of Status), text
    on_agent_end          finish, final_answer: the node answered or gave up
    on_error              reason, detail: the endpoint failed
    on_chain_end          pruned, why_pruned: the node is whole
    on_request_end        win, output, finish, stopped, chain (numbers of nodes), query_count, tokens_in, tokens_out

Between on_chain_start and on_chain_end of a node no other node's events come.
"""

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
    """The node's number, as in the tree."""
    parent: int | None = None
    depth: int = 0
    data: dict[str, Any] = field(default_factory=dict)
    """What the event is about, as plain JSON values; see the top of the module."""


Listener = Callable[[Event], None]
"""Called on the solver's event loop; must return at once."""


def silent(event: Event) -> None:
    """Listens to nothing."""
