"""Explanations of served turns: which requests may ask for one, and what the engine is asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from octupus.decoding.explain import explain
from octupus.errors import RequestError
from octupus.serve.ingress.admission import Admitted
from octupus.serve.protocol.chat import ChatRequest

SCORED_TOKENS = 20
"""Likeliest tokens that are scored at each position: the most that vLLM gives unless `max_logprobs` is raised."""


def refuse_unexplainable(request: ChatRequest) -> None:
    """Raises RequestError for a request that asks for an explanation and has no constraint to explain."""
    if request.explain and not request.constrained:
        raise RequestError(
            "explain tells how the constraint acted, and constrained is false; leave one of them out",
            "explain",
            "unsupported_value",
        )


def explanation_of(admitted: Admitted, ids: Sequence[int], scores: Sequence[Mapping[int, float]]) -> dict[str, Any]:
    """How the constraint acted on the answer `ids`, as plain JSON; see `decoding.explain.Explanation`."""
    assert admitted.turn is not None
    return explain(admitted.turn, ids, scores).to_json()
