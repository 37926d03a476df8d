"""What is asked: an assistant turn of a held-out conversation, with the messages before it as the corpus has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from octupus.conversation import Conversation
from octupus.evaluate.held_out import HeldOutRequest, request_at

Positions = Literal["first", "all"]
Key = tuple[str, int]
"""A conversation's id and the position of the asked message in it, counted from 0."""


@dataclass(frozen=True)
class Question:
    """One request and where it comes from."""

    key: Key
    source: str
    request: HeldOutRequest


def questions_of(conversation: Conversation, positions: Positions) -> list[Question]:
    """The questions of a conversation with tools: its first turn with calls, or all of these.

    A conversation in which nothing is called is asked up to its last answer, where a call would be wrong. Turns that
    are not trained hold known mistakes and are never asked. Raises InvalidJsonError when arguments of an expected call
    are no JSON object.
    """
    trained = [position for position in range(len(conversation.messages)) if conversation.trained(position)]
    if not any(message.tool_calls for message in conversation.messages):
        return [_question(conversation, position) for position in trained[-1:]]
    calling = [position for position in trained if conversation.messages[position].tool_calls]
    return [_question(conversation, position) for position in (calling[:1] if positions == "first" else calling)]


def _question(conversation: Conversation, position: int) -> Question:
    return Question((conversation.id, position), conversation.source, request_at(conversation, position))
