"""What travels between ingress and replica: how tokens are drawn, and the tokens as they come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn, under vLLM's and OpenAI's names; the end token always ends the turn."""

    max_tokens: int
    """Length of the whole answer, of which some may exist already."""
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: dict[int, float] = field(default_factory=dict)
    logprobs: int | None = None
    """How many likely alternatives are told beside the score of each token; None tells no scores."""


TokenScores = list[tuple[int, float]]
"""Natural log probabilities at one position: first the drawn token's, then the likeliest ones', best first."""


class Generated(NamedTuple):
    """Some newly generated tokens of an answer."""

    ids: list[int]
    finish_reason: str | None = None
    """`stop` or `length`, with the last ones."""
    scores: list[TokenScores] | None = None
    """One for each of `ids`, where they were asked for."""
    cached_tokens: int | None = None
    """Tokens of the prompt that were found in the prefix cache, where the engine tells it; with the first ones."""
