"""`CoT@n`: independent chains, each from the beginning, until there are answers enough."""

from __future__ import annotations

from octupus.agent.solve.session import Session


async def solve_by_chains(session: Session, most: int) -> None:
    """Up to `most` chains; their requests differ in nothing but their seeds. Raises SolvingStopped."""
    for _ in range(most):
        branch = session.root()
        while not branch.node.terminal and not branch.node.pruned:
            branch = await session.expand(branch)
        if session.visit(branch.node):
            return
