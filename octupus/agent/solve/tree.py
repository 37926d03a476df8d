"""The tree of a search: one node for each assistant message, with the calls it made and what they gave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from octupus.agent.tools.status import Status
from octupus.conversation import Tool, ToolCall

FinishType = Literal["give_answer", "give_up_and_restart"]


PruneReason = Literal["", "max_step", "loop", "no_call", "broke_off", "endpoint"]
"""Why nothing may follow a node: its chain is as long as it may be, made a call over and over, called nothing though
asked to, had its reply cut off, or the endpoint failed."""


@dataclass(frozen=True, slots=True)
class Made:
    """A call of a node and its result, as the model was shown it; `Finish` gives ANSWERED or GAVE_UP."""

    call: ToolCall
    status: Status
    text: str
    ran: bool = True
    """False for a call that was never made, since the chain ended or had made it too often; `text` says why."""


@dataclass(frozen=True, slots=True)
class Vote:
    """One request that asked the model which of two nodes is better; its tokens count towards the solution's."""

    first: int
    second: int
    preferred: int | None
    """The node the model chose; None where its reply names neither."""
    seed: int
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(eq=False)
class SearchNode:
    """An assistant message in a search. A root holds no message: it stands for the query."""

    number: int
    """Counted from 0 in the order in which nodes were made, the roots of all trees among them."""
    parent: SearchNode | None = None
    content: str | None = None
    made: list[Made] = field(default_factory=list)
    """The message's calls in its own order; `Finish` is acted upon after the others, wherever it stands."""
    children: list[SearchNode] = field(default_factory=list)
    depth: int = 0
    """Nodes of ToolBench's format from the root to this message's end: a thought is one, a call two."""
    pruned: bool = False
    """Whether nothing may follow, though the chain neither answered nor gave up; `why_pruned` says why."""
    why_pruned: PruneReason = ""
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
    score: float | None = None
    """Comparisons with siblings won, a tie as half; None where the method does not rank."""

    @property
    def executed(self) -> list[Made]:
        """The calls that were made, in their order in time."""
        ran = (made for made in self.made if made.ran)
        return sorted(ran, key=lambda made: made.status in (Status.ANSWERED, Status.GAVE_UP))

    @property
    def spoken(self) -> bool:
        """Whether the message is a thought of its own, beside its calls."""
        return bool(self.content and self.content.strip()) or not self.executed

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
    system_prompt: str = ""
    tools: tuple[Tool, ...] = ()
    """What was offered, `Finish` last."""
    settings: dict[str, Any] = field(default_factory=dict)
    """The solver's configuration, or what a file says of it."""
    query_count: int = 0
    """Requests that the endpoint answered, votes among them."""
    tokens_in: int = 0
    tokens_out: int = 0
    stopped: str = ""
    """What ended it before its method did: `query_budget`, `token_budget`, `endpoint: reason`; empty for nothing."""
    retries: dict[str, int] = field(default_factory=dict)
    """Attempts at requests that failed before one was answered, by reason."""
    votes: list[Vote] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    """The environment's state after the calls of the chain that counts."""

    @property
    def win(self) -> bool:
        """Whether an answer was given, right or not."""
        return bool(self.answers)

    @property
    def nodes(self) -> list[SearchNode]:
        """The nodes of all trees but their roots, in the order in which they were made."""
        found = [node for root in self.roots for node in root.walk() if node.parent is not None]
        return sorted(found, key=lambda node: node.number)

    @property
    def final(self) -> SearchNode | None:
        """The node whose chain counts: the first answer; else the last that gave up; else the last message."""
        if self.answers:
            return self.answers[0]
        nodes = [node for node in self.nodes if not node.failure]
        chosen = [node for node in nodes if node.terminal] or nodes
        return chosen[-1] if chosen else None
