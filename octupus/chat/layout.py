"""The frame of an assistant turn as fixed tokens and fixed text, for a constraint that must reproduce it exactly.

Both dialects write the same turn in this frame; what is absent in one is None or the empty text:

    [think text think_end "\\n\\n"]
    [content] text
    (between call call_prefix NAME call_middle [arguments] [" "] ARGUMENTS call_suffix [call_end])*
    end

`between` stands before a call that follows content or another call. In the hermes dialect NAME is escaped as inside a
JSON string; ARGUMENTS is one JSON value in both.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TurnLayout:
    """Where control tokens (as ids) and fixed texts stand in an assistant turn of one dialect and tokenizer."""

    content: int | None
    """Control token that opens content; None where text may simply begin."""
    call: int
    """Control token that opens a call."""
    call_prefix: str
    """Text between `call` and the name of the function."""
    call_middle: str
    """Text between the name and the arguments."""
    arguments: int | None
    """Control token between the name and the arguments."""
    arguments_spaced: bool
    """Whether one space may stand before the arguments; the space is not part of them."""
    call_suffix: str
    """Text behind the arguments."""
    call_end: int | None
    """Control token that closes a call."""
    between: str
    """Text between what was written before, content or a call, and the next call."""
    think: int | None
    """Control token that opens thinking, where the dialect and the tokenizer have it."""
    think_end: int | None
    """Control token that closes thinking."""
