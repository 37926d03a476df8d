"""Where a turn stands: its phase, and what is known of the value that it is writing."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from octupus.decoding.arguments import ArgumentsMatcher
from octupus.decoding.compiled_turn import CompiledValue
from octupus.decoding.names import NameNode
from octupus.decoding.vocabulary import COMPLETE, Utf8State

PLENTY = 1 << 40
"""More tokens than any turn has."""


class Phase(enum.Enum):
    """What the turn is writing."""

    START = "start"
    THINKING = "thinking"
    CONTENT = "content"
    FIXED = "fixed"
    """Tokens between two parts of which there is no choice."""
    NAME = "name"
    ARGUMENTS = "arguments"
    AFTER_CALL = "after_call"
    DONE = "done"


@dataclass(slots=True)
class TurnState:
    phase: Phase = Phase.START
    calls: int = 0
    thought: bool = False
    utf8: Utf8State = COMPLETE
    empty: bool = True
    """Whether the content has no text yet."""
    separated: bool = False
    """Whether the text ends in a line break, behind which hermes begins a call."""
    due: tuple[int, ...] = ()
    """What is left of the fixed tokens; a call's own token stands last where they lead to a call."""
    node: NameNode | None = None
    value: CompiledValue | None = None
    matcher: ArgumentsMatcher | None = None
    begin: int = 0
    """Number of tokens before the value."""
    watch: int = PLENTY
    """Number of tokens from which on it is looked at whether the value must be closed."""
    complete: bool = False
    """Whether the value may end here."""
    listing: bool = False
    """Whether control tokens may stand beside what the matcher allows."""
    matched: bool = False
    """Whether the token that led here was taken by the matcher."""
    path: tuple[int, ...] | None = None
    """A way that closes the value from here, where one is known."""
    hurried: bool = False
    """Whether the budget has taken a choice from the model."""
    judged: bool = False
    closing: tuple[int, bool] | None = None
    """Once judged: the only token that may come next, and whether plain text may too; None where all may."""
