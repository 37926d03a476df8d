"""How an answer looks in the terminal: pieces of a stream in, styled text out."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from octupus.chat.dialect import ReasoningDelta
from octupus.talk.python_tools import Result
from octupus.talk.streamed_answer import Call, CallPiece, Piece

_LONGEST_RESULT = 600
"""Characters of a result that are shown; the model gets all of it."""


@dataclass(frozen=True, slots=True)
class Span:
    """Text with one of rich's styles."""

    text: str
    style: str = ""


class AnswerView:
    """Shows one answer as it comes: reasoning dimmed, content plain, calls as name(arguments)."""

    def __init__(self) -> None:
        self._part: type[Piece] | int | None = None
        """What is being written: a kind of text, or the call of that index; None before and after the answer."""

    def push(self, piece: Piece) -> list[Span]:
        """What to print for the next piece."""
        part = piece.index if isinstance(piece, CallPiece) else type(piece)
        spans: list[Span] = []
        if part != self._part:
            spans = self.end()
            self._part = part
            if isinstance(piece, CallPiece):
                spans += [Span(harmless(piece.name), "bold cyan"), Span("(", "cyan")]
        if isinstance(piece, CallPiece):
            return [*spans, Span(harmless(piece.arguments), "cyan")] if piece.arguments else spans
        return [*spans, Span(harmless(piece.text), "dim italic" if isinstance(piece, ReasoningDelta) else "")]

    def end(self) -> list[Span]:
        """What to print behind the last piece."""
        if self._part is None:
            return []
        closing = Span(")\n", "cyan") if isinstance(self._part, int) else Span("\n")
        self._part = None
        return [closing]


def call_line(call: Call) -> str:
    """A whole call as one line."""
    return f"{harmless(call.name)}({harmless(call.arguments)})"


def result_span(result: Result) -> Span:
    """A tool's result, shortened for people."""
    text = result.text
    if len(text) > _LONGEST_RESULT:
        text = f"{text[:_LONGEST_RESULT]}... ({len(result.text):,} characters)"
    return Span(f"  -> {harmless(text)}\n", "red" if result.failed else "green")


def harmless(text: str) -> str:
    """Text without control characters, which could move the cursor or rename the window: they become escapes."""
    return text if text.isprintable() else "".join(map(_harmless_character, text))


def _harmless_character(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cs"):
        return character
    return repr(character)[1:-1]
