"""Explanations of served turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from octupus.decoding.explain import explain
from octupus.serve.ingress.admission import Admitted

SCORED_TOKENS = 20
"""Likeliest tokens that are scored at each position: the most that vLLM gives unless `max_logprobs` is raised."""


def explanation_of(admitted: Admitted, ids: Sequence[int], scores: Sequence[Mapping[int, float]]) -> dict[str, Any]:
    """How the constraint acted on the answer `ids`, as plain JSON; see `decoding.explain.Explanation`."""
    assert admitted.turn is not None
    return explain(admitted.turn, ids, scores).to_json()
