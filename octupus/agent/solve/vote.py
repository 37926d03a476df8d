"""Ranking children by the model's own votes, pair by pair, each pair in both orders against position bias."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

from octupus.agent.solve.budget import SolvingStopped
from octupus.agent.solve.prompts import vote_messages
from octupus.agent.solve.seeds import request_seed
from octupus.agent.solve.session import Session
from octupus.agent.solve.tree import SearchNode, Vote
from octupus.endpoint.outcome import Failure

_CHOICE = re.compile(r"\b[AB]\b")


async def rank(session: Session, children: Sequence[SearchNode]) -> list[SearchNode]:
    """The children, best first; equal ones in the order in which they were made. Raises SolvingStopped."""
    wins: dict[int, float] = {child.number: 0.0 for child in children}
    for first, second in combinations(children, 2):
        votes = [await _vote(session, first, second), await _vote(session, second, first)]
        balance = votes.count(first.number) - votes.count(second.number)
        wins[first.number] += 0.5 + 0.5 * ((balance > 0) - (balance < 0))
        wins[second.number] += 0.5 - 0.5 * ((balance > 0) - (balance < 0))
    for child in children:
        child.score = wins[child.number]
    return sorted(children, key=lambda child: -wins[child.number])


async def _vote(session: Session, first: SearchNode, second: SearchNode) -> int | None:
    """The number of the node that the model takes to be better; None where its reply names neither."""
    session.budget.check()
    solution = session.solution
    shared = first.parent.path() if first.parent is not None else []
    seed = request_seed(session.config.seed, solution.query_id, "vote", first.number, second.number)
    outcome = await session.client.ask(vote_messages(solution.query, shared, first, second), [], seed=seed)
    session.budget.count(outcome)
    if isinstance(outcome, Failure):
        session.tell("on_error", first, reason=outcome.reason, detail=outcome.detail)
        raise SolvingStopped(f"endpoint: {outcome.reason}")
    letters = _CHOICE.findall(outcome.content or "")
    preferred = {"A": first.number, "B": second.number}[letters[-1]] if letters else None
    solution.votes.append(Vote(first.number, second.number, preferred, seed, outcome.tokens_in, outcome.tokens_out))
    return preferred
