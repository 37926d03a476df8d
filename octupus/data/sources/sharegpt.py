"""ShareGPT turns as LLaMA-Factory writes them: `{"conversations": [{"from", "value"}], "tools": "[...]"}`.

A `function_call` turn holds a JSON object, or a list of objects, of name and arguments; several such turns in a row
are parallel calls. Rows whose turns have OpenAI's `tool_calls` are read as OpenAI messages.
"""

from __future__ import annotations

from typing import Any, Literal

from octupus.conversation import Conversation, Role, json_text
from octupus.data.reasons import Reason
from octupus.data.sources.openai_messages import convert_messages
from octupus.data.sources.tools import parse_tools
from octupus.data.sources.turns import Call, Turn, build, mapping, sequence, text
from octupus.errors import ConversionError
from octupus.schema.validation import InvalidJsonError, parse_json

CALL: Literal["function_call"] = "function_call"
ROLES: dict[str, Role | Literal["function_call"]] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "function_call": CALL,
    "tool_call": CALL,
    "observation": "tool",
    "tool": "tool",
    "tool_response": "tool",
    "function": "tool",
}
KEYS = ("conversations", "conversation")
OPENAI_KEYS = {"tool_calls", "function_call", "tool_call_id"}


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    return any(isinstance(row.get(key), list) for key in KEYS)


def convert(row: dict[str, Any]) -> Conversation:
    """The row as a conversation. Raises ConversionError."""
    key = next((key for key in KEYS if row.get(key) is not None), KEYS[0])
    values = [mapping(value, f"turn {position}") for position, value in enumerate(sequence(row.get(key), key))]
    tools = row.get("tools", row.get("functions"))
    if any(value.get(name) is not None for value in values for name in OPENAI_KEYS):
        return convert_messages(values, tools)
    turns: list[Turn] = []
    system = text(row.get("system"), "system")
    if system:
        turns.append(Turn("system", system))
    for position, value in enumerate(values):
        _append(turns, value, f"turn {position}")
    return build(turns, parse_tools(tools))


def _append(turns: list[Turn], value: dict[str, Any], where: str) -> None:
    name = value.get("from", value.get("role"))
    role = ROLES.get(str(name))
    said = value.get("value", value.get("content"))
    if role is None:
        raise ConversionError(Reason.ROLES_ERROR, f"{where} has the unknown role {name!r}")
    trained = value.get("weight") != 0
    if role == CALL:
        calls = _calls(said, where)
        before = turns[-1] if turns else None
        if before is not None and before.role == "assistant":
            turns[-1] = Turn("assistant", before.content, before.calls + calls, trained=before.trained and trained)
        else:
            turns.append(Turn("assistant", None, calls, trained=trained))
    elif role == "tool" and not isinstance(said, str | None):
        turns.append(Turn("tool", json_text(said)))
    else:
        turns.append(Turn(role, text(said, where), trained=trained))


def _calls(value: Any, where: str) -> tuple[Call, ...]:
    if isinstance(value, str):
        try:
            value = parse_json(value, unique_keys=True)
        except InvalidJsonError as error:
            raise ConversionError(Reason.CALL_PARSE_ERROR, f"{where}: {error} in {value[:80]!r}") from error
    calls = value if isinstance(value, list) else [value]
    for call in calls:
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            raise ConversionError(Reason.CALL_PARSE_ERROR, f"{where}: a call needs a name and arguments")
    if not calls:
        raise ConversionError(Reason.CALL_PARSE_ERROR, f"{where} calls nothing")
    return tuple(Call(call["name"], call.get("arguments")) for call in calls)
