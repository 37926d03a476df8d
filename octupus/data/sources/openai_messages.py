"""OpenAI's chat messages: `{"messages": [...], "tools": [...]}`, as its fine-tuning files have them.

The older `functions` and `function_call` are read, too. `weight: 0` on an assistant message leaves it untrained. What
stands under `meta`, an object or its JSON text, stays with the conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octupus.conversation import Conversation, Role
from octupus.data.reasons import Reason
from octupus.data.sources.tools import parse_tools
from octupus.data.sources.turns import Call, Turn, build, mapping, sequence, text
from octupus.errors import ConversionError
from octupus.schema.validation import InvalidJsonError, json_type, parse_json

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    return isinstance(row.get("messages"), list)


def convert(row: dict[str, Any]) -> Conversation:
    """The row as a conversation. Raises ConversionError."""
    return convert_messages(row.get("messages"), row.get("tools", row.get("functions")), _meta(row.get("meta")))


def convert_messages(messages: Any, tools: Any, meta: Mapping[str, Any] | None = None) -> Conversation:
    """Messages and tools as a conversation. Raises ConversionError."""
    turns = [_turn(message, position) for position, message in enumerate(sequence(messages, "messages"))]
    return build(turns, parse_tools(tools), meta)


def _meta(value: Any) -> dict[str, Any]:
    """What a row says of itself; other corpora have other things under the name, which are left alone."""
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except InvalidJsonError:
            return {}
    return value if isinstance(value, dict) else {}


def _turn(value: Any, position: int) -> Turn:
    where = f"message {position}"
    message = mapping(value, where)
    role = ROLES.get(str(message.get("role")))
    if role is None:
        raise ConversionError(Reason.ROLES_ERROR, f"{where} has the unknown role {message.get('role')!r}")
    answered = message.get("tool_call_id")
    if answered is not None and not isinstance(answered, str):
        raise ConversionError(
            Reason.WRONG_SHAPE, f"tool_call_id of {where} must be a string, not {json_type(answered)}"
        )
    calls = _calls(message, where)
    if calls and role != "assistant":
        raise ConversionError(Reason.ROLES_ERROR, f"{where} of role {role} calls tools")
    return Turn(
        role=role,
        content=text(message.get("content"), f"content of {where}"),
        calls=calls,
        tool_call_id=answered,
        tool_name=_tool_name(message, role),
        trained=message.get("weight") != 0,
    )


def _tool_name(message: dict[str, Any], role: Role) -> str | None:
    name = message.get("name")
    return name if role == "tool" and isinstance(name, str) and name else None


def _calls(message: dict[str, Any], where: str) -> tuple[Call, ...]:
    if message.get("function_call") is not None:
        return (_call(message["function_call"], None, where),)
    calls = message.get("tool_calls")
    if calls is None:
        return ()
    result: list[Call] = []
    for value in sequence(calls, f"tool_calls of {where}"):
        call = mapping(value, f"a tool call of {where}")
        result.append(_call(call.get("function", call), call.get("id"), where))
    return tuple(result)


def _call(value: Any, identity: Any, where: str) -> Call:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ConversionError(Reason.CALL_PARSE_ERROR, f"a tool call of {where} has no name")
    return Call(value["name"], value.get("arguments"), identity if isinstance(identity, str) else None)
