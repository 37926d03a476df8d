"""fc_zh_hard: OpenAI's older messages in `conversation`, flat tools as JSON text in `functions`.

In its second form, made for training, messages have `tool_calls` and the tools stand in `tools`. Both are OpenAI
messages but for the keys of the row.
"""

from __future__ import annotations

from typing import Any

from octupus.conversation import Conversation
from octupus.data.sources.openai_messages import convert_messages


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    messages = row.get("conversation")
    if not isinstance(messages, list):
        return False
    keys = {key for message in messages if isinstance(message, dict) for key in message}
    if "role" not in keys:
        return False
    return "function_call" in keys if "functions" in row else "tool_calls" in keys and "tools" in row


def convert(row: dict[str, Any]) -> Conversation:
    """The row as a conversation. Raises ConversionError."""
    return convert_messages(row.get("conversation"), row.get("functions") or row.get("tools"))
