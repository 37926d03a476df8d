"""What comes of asking for one turn: an answer or a failure, as ledgers keep them."""

from __future__ import annotations

from pydantic import Field

from octupus.config import StrictModel
from octupus.conversation import ToolCall

DETAIL_CHARACTERS = 500


class Answer(StrictModel):
    """The endpoint answered; never asked for again."""

    content: str | None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    retries: dict[str, int] = Field(default_factory=dict)
    """Attempts that failed before, by reason."""


class Failure(StrictModel):
    """The endpoint did not answer."""

    reason: str
    detail: str = ""
    final: bool = False
    """Whether the request itself is at fault, so that the next run need not ask again."""
    retries: dict[str, int] = Field(default_factory=dict)
    """Attempts that failed, by reason."""


Outcome = Answer | Failure
