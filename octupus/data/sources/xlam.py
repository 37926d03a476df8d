"""xLAM: `{"query": "...", "answers": "[{name, arguments}]", "tools": "[{name, description, parameters}]"}`.

`answers` and `tools` are JSON text; parameters are flat: `{name: {"type": "List[int], optional", "default": ..}}`.
A row is one question and the calls that answer it.

Empty answers mean that no tool fits. The corpus has no words for that and a conversation without an answer cannot be
trained, so one fixed sentence in the question's language is put in, and `meta` says so: `{"answer_by": "octupus"}`.
It says little on purpose: no reason, no apology, nothing about the question. In languages without such a sentence the
row is dropped as `empty_assistant`.
"""

from __future__ import annotations

from typing import Any

from octupus.conversation import Conversation, Message
from octupus.data.language import language
from octupus.data.reasons import Reason
from octupus.data.sources.tools import parse_tools
from octupus.data.sources.turns import Call, Turn, build, text
from octupus.errors import ConversionError
from octupus.schema.repair import parameters_from_flat
from octupus.schema.validation import InvalidJsonError, parse_json

KEYS = ("query", "answers", "tools")
NO_TOOL_FITS = {"en": "None of the available tools can do this.", "zh": "现有的工具都无法完成这个请求。"}
NO_TOOL_FITS["und"] = NO_TOOL_FITS["en"]


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    return all(isinstance(row.get(key), str) for key in KEYS)


def convert(row: dict[str, Any]) -> Conversation:
    """The row as a conversation. Raises ConversionError."""
    query = text(row.get("query"), "query") or ""
    tools = parse_tools(_definitions(row.get("tools")))
    calls = _calls(row.get("answers"))
    turns = [Turn("user", query)]
    if calls:
        return build([*turns, Turn("assistant", None, calls)], tools)
    asked = language(Conversation(messages=(Message(role="user", content=query),)))
    if asked not in NO_TOOL_FITS:
        raise ConversionError(Reason.EMPTY_ASSISTANT, f"no tool fits, and no sentence says so in {asked!r}")
    return build([*turns, Turn("assistant", NO_TOOL_FITS[asked])], tools, {"answer_by": "octupus"})


def _definitions(value: Any) -> Any:
    """The tools with parameters as JSON Schema. What is no definition is left for `parse_tools` to refuse."""
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except InvalidJsonError as error:
            raise ConversionError(Reason.PARSE_TOOLS, f"tools are no JSON: {error}") from error
    if not isinstance(value, list):
        return value
    return [_definition(definition) for definition in value]


def _definition(definition: Any) -> Any:
    if not isinstance(definition, dict):
        return definition
    parameters = definition.get("parameters")
    if not isinstance(parameters, dict) or not all(isinstance(value, dict) for value in parameters.values()):
        return definition  # JSON Schema already: the value of its `type` is a string
    required = definition.get("required")
    names = required if isinstance(required, list) and all(isinstance(name, str) for name in required) else None
    return {**definition, "parameters": parameters_from_flat(parameters, names)}


def _calls(value: Any) -> tuple[Call, ...]:
    if isinstance(value, str):
        try:
            value = parse_json(value, unique_keys=True)
        except InvalidJsonError as error:
            raise ConversionError(Reason.CALL_PARSE_ERROR, f"answers are no JSON: {error}") from error
    if not isinstance(value, list):
        raise ConversionError(Reason.CALL_PARSE_ERROR, "answers must be a list of calls")
    calls: list[Call] = []
    for position, call in enumerate(value):
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            raise ConversionError(Reason.CALL_PARSE_ERROR, f"answer {position} has no name")
        calls.append(Call(call["name"], call.get("arguments")))
    return tuple(calls)
