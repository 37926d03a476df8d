"""The interface of a dialect: how one family of models writes turns as tokens.

A dialect turns a conversation into segments, and a stream of generated ids back into deltas. Training, serving and
evaluation all go through it, so what a model is trained on is what it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from octupus.chat.layout import TurnLayout
from octupus.chat.tokenizer import ChatTokenizer
from octupus.conversation import Conversation

END = "<end>"
"""In a segment, stands for the tokenizer's own end-of-sequence token, whatever its spelling."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One control token and the text after it; an empty `control` is none.

    The text is encoded with control tokens off, and apart from the text of other segments.
    """

    control: str
    text: str
    trained: bool = False
    """Whether the segment's tokens, the control token included, contribute to the loss."""


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of what the model thinks before it answers; no part of the message."""

    text: str


@dataclass(frozen=True, slots=True)
class ContentDelta:
    """More text of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class CallDelta:
    """More of the tool call at `index`: first its whole name, then pieces of its arguments."""

    index: int
    name: str | None = None
    arguments: str = ""


Delta = ReasoningDelta | ContentDelta | CallDelta


class TurnParser(Protocol):
    """Reads one assistant turn's ids as they are generated."""

    malformed: str | None
    """What broke the dialect's grammar first, or None. A constrained turn is never malformed."""

    def push(self, ids: Sequence[int]) -> list[Delta]:
        """The deltas that `ids` complete. Any ids are accepted: an unconstrained model may write anything."""
        ...

    def finish(self) -> list[Delta]:
        """What is still held back, once no more ids come."""
        ...


class Dialect(Protocol):
    """One way of writing turns."""

    name: str
    control_tokens: tuple[str, ...]
    """Those that a tokenizer must have."""

    def segments(
        self, conversation: Conversation, tokenizer: ChatTokenizer, generation_prompt: bool = False
    ) -> list[Segment]:
        """The conversation in order; with `generation_prompt`, what makes the model answer stands last.

        The tokenizer says which of the dialect's optional control tokens the model has.
        """
        ...

    def without_thinking(self, tokenizer: ChatTokenizer) -> list[Segment]:
        """What stands behind the generation prompt when the model is not to think; nothing where it never does."""
        ...

    def parser(self, tokenizer: ChatTokenizer) -> TurnParser:
        """A parser for one assistant turn."""
        ...

    def layout(self, tokenizer: ChatTokenizer) -> TurnLayout:
        """The frame of an assistant turn. Raises VocabularyError when the tokenizer lacks a control token of it."""
        ...

    def chat_template(self, tokenizer: ChatTokenizer) -> str:
        """The dialect as a Hugging Face chat template."""
        ...
