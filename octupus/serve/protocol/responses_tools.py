"""The tools of a Responses request and the choice among them, in this API's flat form or in that of chat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from octupus.conversation import Tool
from octupus.serve.protocol.fields import Input
from octupus.serve.protocol.tools import InputFunction, limited_choice, tool_choice_of
from octupus.serve.protocol.turn_request import ToolChoice


def flat(value: Any, key: str) -> Any:
    """`{"type": T, key: {...}}`, as chat nests it, as `{"type": T, ...}`; anything else as it is."""
    if isinstance(value, dict) and isinstance(value.get(key), dict):
        return {**value[key], "type": value.get("type")}
    return value


class FunctionTool(InputFunction):
    """A function to call. `strict` is told back and changes nothing: every schema is held."""

    type: Literal["function"]
    strict: bool | None = None


def _tool(value: Any) -> FunctionTool:
    kind = value.get("type") if isinstance(value, dict) else "function"
    if kind != "function":
        message = "a tool of type {kind} is not offered here; give tools of type 'function'"
        raise PydanticCustomError("unsupported_tool", message, {"kind": repr(kind)})
    return FunctionTool.model_validate(flat(value, "function"))


ToolField = Annotated[FunctionTool, PlainValidator(_tool, json_schema_input_type=FunctionTool)]


class NamedFunction(Input):
    """One function, by its name."""

    type: Literal["function"]
    name: str


class AllowedTools(Input):
    """The functions that a choice is limited to; the prompt describes them all, so that its prefix stays cached."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[
        list[Annotated[NamedFunction, BeforeValidator(lambda value: flat(value, "function"))]], Field(min_length=1)
    ]


AnyChoice = Literal["none", "auto", "required"] | NamedFunction | AllowedTools


def _choice(value: Any) -> AnyChoice:
    if value == "none" or value == "auto" or value == "required":
        return value  # type: ignore[no-any-return]
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "function":
        return NamedFunction.model_validate(flat(value, "function"))
    if kind == "allowed_tools":
        return AllowedTools.model_validate(flat(value, "allowed_tools"))
    raise PydanticCustomError(
        "unsupported_choice", "give 'none', 'auto', 'required' or an object of type 'function' or 'allowed_tools'"
    )


ToolChoiceField = Annotated[AnyChoice, PlainValidator(_choice, json_schema_input_type=AnyChoice)]


def choice_of(choice: AnyChoice | None, tools: Sequence[Tool]) -> ToolChoice:
    """The choice of a request among its tools. Raises RequestError."""
    if isinstance(choice, NamedFunction):
        return limited_choice("required", [choice.name], tools, "tool_choice.name")
    if isinstance(choice, AllowedTools):
        return limited_choice(choice.mode, [tool.name for tool in choice.tools], tools, "tool_choice.tools")
    return tool_choice_of(choice, tools)
