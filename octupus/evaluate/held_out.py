"""Requests that no training saw, with the calls that answer them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from octupus.conversation import Conversation
from octupus.schema.validation import parse_arguments


@dataclass(frozen=True)
class HeldOutRequest:
    """One request in OpenAI's shapes. `expected_calls` is empty where no tool fits."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    expected_calls: tuple[tuple[str, dict[str, Any]], ...]
    kind: str
    language: str


def requests_of(conversations: Sequence[Conversation], count: int) -> list[HeldOutRequest]:
    """Requests out of held-out conversations with tools.

    Each is asked up to its first call; where nothing is called, up to its last answer.
    """
    requests: list[HeldOutRequest] = []
    for conversation in conversations:
        if not conversation.tools or len(requests) == count:
            continue
        answers = [p for p, message in enumerate(conversation.messages) if message.role == "assistant"]
        calling = [position for position in answers if conversation.messages[position].tool_calls]
        position = calling[0] if calling else answers[-1]
        requests.append(request_at(conversation, position))
    return requests


def request_at(conversation: Conversation, position: int) -> HeldOutRequest:
    """The conversation asked up to its message at `position`, whose calls are expected.

    Raises InvalidJsonError when arguments of these are no JSON object.
    """
    return HeldOutRequest(
        messages=[message.to_openai() for message in conversation.messages[:position]],
        tools=[tool.model_dump() for tool in conversation.tools],
        expected_calls=tuple(
            (call.function.name, parse_arguments(call.function.arguments))
            for call in conversation.messages[position].tool_calls
        ),
        kind=conversation.kind,
        language=conversation.language,
    )
