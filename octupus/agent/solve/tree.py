"""The tree of a search: one node for each assistant message, with the calls it made and what they gave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from octupus.agent.tools.status import Status
from octupus.conversation import ToolCall

FinishType = Literal["give_answer", "give_up_and_restart"]


@dataclass(frozen=True, slots=True)
class Made:
    """A call of a node and its result. A call of `Finish` has the status ANSWERED or GAVE_UP."""

    call: ToolCall
    status: Status
    text: str


@dataclass(eq=False)
class SearchNode:
    """An assistant message in a search. The root holds no message: it stands for the query."""

    number: int
    """Counted from 0 at the root, in the order in which nodes were made."""
    parent: SearchNode | None = None
    content: str | None = None
    made: list[Made] = field(default_factory=list)
    children: list[SearchNode] = field(default_factory=list)
    depth: int = 0
    """Nodes of ToolBench's format from the root to this message's end: a thought is one, a call two."""
    pruned: bool = False
    """Whether nothing may follow: the chain was too long, or its reply broke off."""
    finish: FinishType | None = None
    final_answer: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    seed: int | None = None
    """The seed that was sent with the request."""
    failure: str = ""
    """Why the endpoint gave no message here, as `reason: detail`."""
    diversity: bool = False
    """Whether the message was asked for with a list of what siblings had tried."""

    @property
    def terminal(self) -> bool:
        """Whether the chain ended here, by an answer or by giving up."""
        return self.finish is not None

    def path(self) -> list[SearchNode]:
        """From the root's child to this node."""
        nodes: list[SearchNode] = []
        node: SearchNode | None = self
        while node is not None and node.parent is not None:
            nodes.append(node)
            node = node.parent
        return nodes[::-1]

    def walk(self) -> Iterator[SearchNode]:
        """This node and all below it, a parent before its children, children in the order they were made."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)


@dataclass
class Solution:
    """What became of a query."""

    query: str
    query_id: str
    method: str
    """`CoT@n` or `DFS_woFilter_w2`, as ToolBench names files after it."""
    roots: list[SearchNode]
    """One tree for a search, one for each try of `CoT@n`."""
    answers: list[SearchNode]
    """Nodes that gave an answer, in the order in which they were found."""
    query_count: int = 0
    """Requests that the endpoint answered."""
    tokens_in: int = 0
    tokens_out: int = 0
    stopped: str = ""
    """What ended it before its method did: `query_budget`, `token_budget`, `endpoint: ...`; empty for nothing."""
    state: dict[str, Any] = field(default_factory=dict)
    """The environment's state after the answer's calls; without an answer, after the last chain's."""

    @property
    def win(self) -> bool:
        """Whether an answer was given, right or not."""
        return bool(self.answers)

    @property
    def final(self) -> SearchNode | None:
        """The node whose chain counts: the first answer, or without one the last node that was made."""
        if self.answers:
            return self.answers[0]
        nodes = [node for root in self.roots for node in root.walk() if node.parent is not None]
        return max(nodes, key=lambda node: node.number) if nodes else None
