"""What is asked of one turn, whichever route asked it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from octupus.conversation import Conversation


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Which tools may be called, and whether one must be."""

    mode: Literal["none", "auto", "required"]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContentRule:
    """What content must be: a JSON value of a schema, or text that a pattern or one of the choices matches."""

    field: str
    """The request's field, for errors."""
    schema: dict[str, Any] | None = None
    regex: str | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Draw:
    """How tokens are drawn; None leaves a value to the server."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    logit_bias: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FieldNames:
    """How a route names its fields, for errors."""

    messages: str = "messages"
    max_tokens: str = "max_tokens"
    parameters: str = "tools.{position}.function.parameters"


@dataclass(frozen=True)
class TurnRequest:
    """A conversation and what the assistant's next turn may be."""

    model: str
    conversation: Conversation
    tool_choice: ToolChoice
    draw: Draw = Draw()
    max_tokens: int | None = None
    content: ContentRule | None = None
    parallel: bool = True
    max_tool_calls: int | None = None
    choices: int = 1
    """How many answers are asked for (`n`)."""
    stop: tuple[str, ...] = ()
    """Texts that end the content before them."""
    logprobs: int | None = None
    """How many likely alternatives are told beside the score of each token of content; None tells none."""
    thinking: bool = True
    """Whether the model may think before it answers, where it can."""
    constrained: bool = True
    on_unenforceable: Literal["refuse", "check"] | None = None
    explain: bool = False
    fields: FieldNames = FieldNames()
