"""Tool definitions as corpora write them: a list or its JSON text, flat or wrapped as OpenAI does."""

from __future__ import annotations

from typing import Any, NoReturn

from octupus.conversation import FunctionDefinition, Tool
from octupus.data.reasons import Reason
from octupus.errors import ConversionError
from octupus.schema.validation import InvalidJsonError, json_type, parse_json


def parse_tools(value: Any) -> tuple[Tool, ...]:
    """The tools of a row; null and empty text mean none. Raises ConversionError(parse_tools)."""
    if isinstance(value, str):
        if not value.strip():
            return ()
        try:
            value = parse_json(value)
        except InvalidJsonError as error:
            _refuse(f"tools are no JSON: {error} at line {error.line}, column {error.column}")
    if value is None:
        return ()
    if not isinstance(value, list):
        _refuse(f"tools must be an array, not {json_type(value)}")
    return tuple(_tool(definition, position) for position, definition in enumerate(value))


def _tool(definition: Any, position: int) -> Tool:
    if isinstance(definition, dict) and isinstance(definition.get("function"), dict):
        definition = definition["function"]
    if not isinstance(definition, dict):
        _refuse(f"tool {position} must be an object, not {json_type(definition)}")
    name, description = definition.get("name"), definition.get("description")
    parameters = definition.get("parameters")
    if not isinstance(name, str):
        _refuse(f"tool {position} has no name")
    if description is not None and not isinstance(description, str):
        _refuse(f"description of tool {name!r} must be a string, not {json_type(description)}")
    if parameters is not None and not isinstance(parameters, dict):
        _refuse(f"parameters of tool {name!r} must be an object, not {json_type(parameters)}")
    return Tool(function=FunctionDefinition(name=name, description=description or "", parameters=parameters or {}))


def _refuse(detail: str) -> NoReturn:
    raise ConversionError(Reason.PARSE_TOOLS, detail)
