"""`DFS_woFilter_w2` and `DFS_w2`: depth-first search over messages, as ToolBench's DFSDT.

Two things differ from ToolBench. What its search leaves out when it goes back past the root is here taken up at the
root, since a first message that gives up should not end a search of which nearly all may still be spent; and the reply
to the last request of the budget is used.
"""

from __future__ import annotations

from octupus.agent.solve.session import Branch, Session
from octupus.agent.solve.tree import SearchNode
from octupus.agent.solve.vote import rank


async def solve_by_search(session: Session) -> None:
    """One tree, until there are answers enough or every node has its children. Raises SolvingStopped."""
    root = session.root()
    frontier = _Frontier(session, root)
    node: SearchNode | None = root.node
    while node is not None:
        child = await frontier.next_child(node)
        if child is None:
            node = node.parent
        elif child.terminal:
            if session.visit(child):
                return
            node = _ancestor(child, session.config.back_up)
        else:
            node = child.parent if child.pruned else child


class _Frontier:
    """The nodes that may still have children, and which child is to be visited next."""

    def __init__(self, session: Session, root: Branch) -> None:
        self._session = session
        self._branches = {root.node.number: root}
        self._ranked: dict[int, list[SearchNode]] = {}

    async def next_child(self, node: SearchNode) -> SearchNode | None:
        """The child to visit next; None when all were."""
        if self._session.config.with_filter:
            if node.number not in self._ranked:
                children = [await self._expand(node) for _ in range(self._session.config.width)]
                self._ranked[node.number] = await rank(self._session, children)
            ranked = self._ranked[node.number]
            return ranked.pop(0) if ranked else None
        return await self._expand(node) if len(node.children) < self._session.config.width else None

    async def _expand(self, node: SearchNode) -> SearchNode:
        branch = await self._session.expand(self._branches[node.number])
        self._branches[branch.node.number] = branch
        return branch.node


def _ancestor(node: SearchNode, messages: int) -> SearchNode:
    """The node so many messages above; the root where there are fewer."""
    for _ in range(messages):
        node = node.parent or node
    return node
