"""The fields of every generating route that say how tokens are drawn, and octupus's own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from octupus.serve.protocol.fields import Input
from octupus.serve.protocol.turn_request import Draw

MAX_TOP_LOGPROBS = 20
MAX_STOPS = 16

Probability = Annotated[float, Field(ge=0, le=1)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
TokenId = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]
StopText = Annotated[str, Field(min_length=1)]
Stop = StopText | Annotated[list[StopText], Field(max_length=MAX_STOPS)] | None
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


def _pairs(value: dict[str, str]) -> dict[str, str]:
    # OpenAI's own bounds of metadata.
    if len(value) > 16 or any(len(key) > 64 or len(item) > 512 for key, item in value.items()):
        raise ValueError("at most 16 pairs, keys of 64 and values of 512 characters")
    return value


Metadata = Annotated[dict[str, str], AfterValidator(_pairs)]


class Drawing(Input):
    """How tokens are drawn."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, lt=2**31)] | None = None
    min_p: Probability | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Field(ge=0.1, le=10)] | None = None
    """Nearer to 0, scores leave the range of numbers."""
    logit_bias: dict[TokenId, Annotated[float, Field(ge=-100, le=100)]] | None = None
    """By token id."""
    stop: Stop = None
    user: str | None = None
    metadata: Metadata | None = None

    @property
    def draw(self) -> Draw:
        """How tokens are drawn, in one form."""
        return Draw(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            min_p=self.min_p,
            seed=self.seed,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            repetition_penalty=self.repetition_penalty,
            logit_bias={int(token_id): bias for token_id, bias in (self.logit_bias or {}).items()},
        )

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end content before them."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class Constraining(Input):
    """octupus's own fields."""

    constrained: bool = True
    """False generates without the constraint, where the server allows it."""
    on_unenforceable: Literal["refuse", "check"] | None = None
    """What a keyword does that no backend enforces; null leaves it to the server."""
    explain: bool = False
    """Say how the constraint acted, step by step."""


def thinks(effort: str | None) -> bool:
    """Whether a `reasoning_effort` asks for thinking; how much of it is the model's own choice."""
    return effort not in ("none", "minimal")
