"""Conversations as lines of a file that the data line reads."""

from __future__ import annotations

from typing import Any

from octupus.conversation import Conversation


def openai_row(conversation: Conversation) -> dict[str, Any]:
    """The conversation as OpenAI's fine-tuning files have it; `weight: 0` marks what is not trained."""
    messages = []
    for position, message in enumerate(conversation.messages):
        value = message.to_openai()
        if message.role == "assistant" and not conversation.trained(position):
            value["weight"] = 0
        messages.append(value)
    return {
        "messages": messages,
        "tools": [tool.model_dump() for tool in conversation.tools],
        "meta": dict(conversation.meta),
    }
