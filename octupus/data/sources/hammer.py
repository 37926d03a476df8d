"""Hammer's form of the API-Bank, Seal-Tools and ToolAlpaca tests: `{"query", "tools": [...], "answers": [{...}]}`.

`query` is the question or the messages so far, of roles user, agent (its text), assistant (its calls, as a JSON list
between three backquotes) and tool; the last may end with "Generate API Request:". An answer is a call, as `name` and
`arguments` or as `tool` and `parameters`. What the agent says right before a call is the content of the message that
calls. Rows repeat a dialogue up to each of its calls, so only the answer is trained.

A tool's parameters are flat. Required are those in the tool's list and those marked one by one; tools from API-Bank,
known by the `return` they describe, have neither and need all. ToolAlpaca's explanation of its outputs, which stands
among the tools, is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from octupus.conversation import Conversation, FunctionDefinition, Tool
from octupus.data.reasons import Reason
from octupus.data.sources.apibank import read_containers
from octupus.data.sources.toolalpaca import NO_TOOL
from octupus.data.sources.turns import Call, Turn, build, mapping, sequence, text
from octupus.errors import ConversionError
from octupus.schema.repair import parameters_from_flat
from octupus.schema.validation import InvalidJsonError, json_type, parse_json

REQUEST = "Generate API Request:"


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    return isinstance(row.get("query"), str | list) and all(
        isinstance(row.get(key), list) for key in ("tools", "answers")
    )


def convert(row: dict[str, Any]) -> Conversation:
    """The row as a conversation. Raises ConversionError."""
    tools = [
        _tool(mapping(value, f"tool {position}"), f"tool {position}")
        for position, value in enumerate(sequence(row.get("tools"), "tools"))
    ]
    tools = [tool for tool in tools if tool.function.name != NO_TOOL]
    query = row.get("query")
    turns: list[Turn] = []
    if isinstance(query, list):
        for position, value in enumerate(query):
            _append(turns, mapping(value, f"message {position}"), f"message {position}")
    else:
        turns.append(Turn("user", _without_request(text(query, "query") or "")))
    _append_calls(turns, _calls(sequence(row.get("answers"), "answers"), "answers"), trained=True)
    named = {tool.function.name: tool for tool in tools}
    return build([_with_containers(turn, named) for turn in turns], tools)


def _with_containers(turn: Turn, tools: Mapping[str, Tool]) -> Turn:
    calls = tuple(Call(call.name, read_containers(call.arguments, tools.get(call.name))) for call in turn.calls)
    return replace(turn, calls=calls)


def _append(turns: list[Turn], message: dict[str, Any], where: str) -> None:
    role = message.get("role")
    said = _without_request(text(message.get("content"), where) or "")
    if role == "user":
        turns.append(Turn("user", said))
    elif role == "tool":
        turns.append(Turn("tool", said))
    elif role == "agent":
        before = _open(turns)
        if before:
            turns[-1] = Turn("assistant", f"{before.content}\n{said}", trained=False)
        elif said:
            turns.append(Turn("assistant", said, trained=False))
    elif role == "assistant":
        _append_calls(turns, _written_calls(said, where), trained=False)
    else:
        raise ConversionError(Reason.ROLES_ERROR, f"{where} has the unknown role {role!r}")


def _append_calls(turns: list[Turn], calls: tuple[Call, ...], trained: bool) -> None:
    """The calls as a message that also says what the agent said right before, if it did."""
    before = _open(turns)
    if before:
        turns.pop()
    if before or calls:
        turns.append(Turn("assistant", before.content if before else None, calls, trained=trained))


def _open(turns: Sequence[Turn]) -> Turn | None:
    """The last turn where it is the agent's text."""
    return turns[-1] if turns and turns[-1].role == "assistant" and not turns[-1].calls else None


def _without_request(said: str) -> str:
    return said.rstrip().removesuffix(REQUEST).rstrip()


def _written_calls(said: str, where: str) -> tuple[Call, ...]:
    try:
        value = parse_json(said.strip().removeprefix("```").removesuffix("```"), unique_keys=True)
    except InvalidJsonError as error:
        raise ConversionError(Reason.CALL_PARSE_ERROR, f"{where}: {error} in {said[:80]!r}") from error
    if not isinstance(value, list):
        raise ConversionError(Reason.CALL_PARSE_ERROR, f"{where} must list calls, not {json_type(value)}")
    return _calls(value, where)


def _calls(values: Sequence[Any], where: str) -> tuple[Call, ...]:
    calls: list[Call] = []
    for value in values:
        call = mapping(value, f"a call of {where}")
        name = call.get("name", call.get("tool"))
        arguments = call.get("arguments", call.get("parameters"))
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise ConversionError(Reason.CALL_PARSE_ERROR, f"a call of {where} lacks its name or arguments")
        calls.append(Call(name, arguments))
    return tuple(calls)


def _tool(definition: dict[str, Any], where: str) -> Tool:
    name, flat = definition.get("name"), definition.get("parameters")
    if not isinstance(name, str) or not isinstance(flat, dict):
        raise ConversionError(Reason.PARSE_TOOLS, f"{where} lacks name or parameters")
    listed = definition.get("required")
    required = [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    schema = parameters_from_flat(flat, None if "return" in definition else required)
    description = text(definition.get("description"), f"description of {where}") or ""
    return Tool(function=FunctionDefinition(name=name, description=description, parameters=schema))
