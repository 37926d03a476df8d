"""Segments to token ids and loss mask.

Ids of control tokens are inserted; text is encoded with control tokens off, so no text can become one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from octupus.chat.dialect import END, Dialect, Segment
from octupus.chat.tokenizer import ChatTokenizer
from octupus.conversation import Conversation


@dataclass(frozen=True, slots=True)
class Rendered:
    """Ids of a conversation and, for each, whether it is trained (both of the same length)."""

    ids: list[int]
    trained: list[bool]


def render(
    conversation: Conversation, dialect: Dialect, tokenizer: ChatTokenizer, generation_prompt: bool = False
) -> Rendered:
    """Render a conversation.

    With `generation_prompt` the ids end where the assistant's next turn begins. Raises VocabularyError when the
    tokenizer lacks a control token of the dialect.
    """
    return render_segments(dialect.segments(conversation, tokenizer, generation_prompt), tokenizer)


def render_segments(segments: Sequence[Segment], tokenizer: ChatTokenizer) -> Rendered:
    """Render segments that a dialect made."""
    return _rendered([segments], tokenizer)[0]


def render_all(conversations: Sequence[Conversation], dialect: Dialect, tokenizer: ChatTokenizer) -> list[Rendered]:
    """Render many conversations; the same as one after the other, a tenth faster."""
    return _rendered([dialect.segments(conversation, tokenizer) for conversation in conversations], tokenizer)


def _rendered(segmented: Sequence[Sequence[Segment]], tokenizer: ChatTokenizer) -> list[Rendered]:
    texts = iter(
        tokenizer.encode_batch([segment.text for segments in segmented for segment in segments if segment.text])
    )
    result: list[Rendered] = []
    for segments in segmented:
        ids: list[int] = []
        trained: list[bool] = []
        for segment in segments:
            if segment.control:
                ids.append(tokenizer.end_id if segment.control == END else tokenizer.control_id(segment.control))
            if segment.text:
                ids += next(texts)
            trained += [segment.trained] * (len(ids) - len(trained))
        result.append(Rendered(ids, trained))
    return result
