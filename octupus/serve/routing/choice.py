"""Whether a prompt's prefix is worth going to the replica that holds it, given how busy the replicas are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import random
from typing import Generic, TypeVar

Replica = TypeVar("Replica")


@dataclass(frozen=True)
class Candidate(Generic[Replica]):
    """A replica that could take the request."""

    replica: Replica
    matched_tokens: int
    """Tokens of the prompt that it need not compute again."""
    ongoing_requests: int
    """Requests it is answering."""


def preferred_replica(candidates: Sequence[Candidate[Replica]], tokens_per_request: float) -> Replica | None:
    """The replica to go to for its cache, or None when the cache decides nothing and load alone should.

    Both costs are counted in tokens of prefill: a replica computes those of the prompt that it does not hold, and each
    request that it is answering delays this one by about `tokens_per_request`. The cheapest replica is taken. So a
    holder of k tokens more than the least busy replica may have k / tokens_per_request requests more than that one.
    Replicas that cost the same are told apart by what they hold, then by chance.
    """
    if not any(candidate.matched_tokens for candidate in candidates):
        return None

    def cost(candidate: Candidate[Replica]) -> tuple[float, int, float]:
        tokens = tokens_per_request * candidate.ongoing_requests - candidate.matched_tokens
        return tokens, -candidate.matched_tokens, random()

    cheapest = min(candidates, key=cost)
    return cheapest.replica if cheapest.matched_tokens else None
