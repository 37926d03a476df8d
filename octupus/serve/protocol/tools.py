"""The tools of a request, and which of them may be called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from octupus.conversation import FunctionDefinition, Tool
from octupus.errors import RequestError
from octupus.schema.repair import with_meant_enums
from octupus.serve.protocol.fields import Input
from octupus.serve.protocol.turn_request import ToolChoice

TOOL_NAME = re.compile(r"^[a-zA-Z0-9_.-]{1,64}$")


class InputFunction(Input):
    """A tool's definition. `strict` needs no look: every schema is held."""

    name: Annotated[str, Field(json_schema_extra={"pattern": TOOL_NAME.pattern})]
    """Looked at in `declared_tools`, whose error shows the name."""
    description: str | None = None
    parameters: dict[str, Any] | None = None


class InputTool(Input):
    """A tool of a request."""

    type: Literal["function"]
    function: InputFunction


class NamedFunction(Input):
    """The tool that a named choice asks for."""

    name: str


class NamedToolChoice(Input):
    """`tool_choice` naming one tool."""

    type: Literal["function"]
    function: NamedFunction


class AllowedTool(Input):
    """One tool of an `allowed_tools` choice."""

    type: Literal["function"]
    function: NamedFunction


class AllowedTools(Input):
    """The tools that a choice is limited to; the prompt describes them all, so that its prefix stays cached."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[AllowedTool], Field(min_length=1)]


class AllowedToolsChoice(Input):
    """`tool_choice` limited to some of the tools."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


ToolChoiceField = Literal["none", "auto", "required"] | NamedToolChoice | AllowedToolsChoice | None


def declared_tools(
    functions: Sequence[InputFunction], max_tools: int, name_field: str = "tools.{position}.function.name"
) -> tuple[Tool, ...]:
    """The tools in our own shape. Raises RequestError for too many of them, a bad name or one given twice."""
    if len(functions) > max_tools:
        raise RequestError(f"{len(functions)} tools are given and the limit is {max_tools}", "tools")
    result: list[Tool] = []
    names: set[str] = set()
    for position, function in enumerate(functions):
        field = name_field.format(position=position)
        if not TOOL_NAME.fullmatch(function.name):
            raise RequestError(f"{field}: {function.name!r} must match {TOOL_NAME.pattern}", field)
        if function.name in names:
            raise RequestError(f"{field}: {function.name!r} is defined twice", field)
        names.add(function.name)
        definition = FunctionDefinition(name=function.name, description=function.description or "")
        if function.parameters:
            definition = definition.model_copy(update={"parameters": with_meant_enums(function.parameters)})
        result.append(Tool(function=definition))
    return tuple(result)


def tool_choice_of(choice: ToolChoiceField, tools: Sequence[Tool]) -> ToolChoice:
    """The choice of a request among its tools. Raises RequestError."""
    if isinstance(choice, NamedToolChoice):
        return limited_choice("required", [choice.function.name], tools, "tool_choice.function.name")
    if isinstance(choice, AllowedToolsChoice):
        asked = [tool.function.name for tool in choice.allowed_tools.tools]
        return limited_choice(choice.allowed_tools.mode, asked, tools, "tool_choice.allowed_tools.tools")
    names = tuple(tool.function.name for tool in tools)
    if choice == "required" and not names:
        raise RequestError("tool_choice is required but no tools are given", "tool_choice")
    if choice == "none" or not names:
        return ToolChoice("none", ())
    return ToolChoice(choice or "auto", names)


def limited_choice(
    mode: Literal["auto", "required"], asked: Sequence[str], tools: Sequence[Tool], field: str
) -> ToolChoice:
    """The choice of those tools alone. Raises RequestError when one of them is not declared."""
    names = [tool.function.name for tool in tools]
    for name in asked:
        if name not in names:
            raise RequestError(f"{field}: {name!r} is not among tools", "tool_choice")
    return ToolChoice(mode, tuple(name for name in names if name in asked))
