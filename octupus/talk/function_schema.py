"""A Python function as a tool: its signature becomes the JSON Schema of the arguments, its docstring the description.

The rule. Every parameter is a property under its own name, with the schema that pydantic gives its type hint: str,
int, float, bool, list[T], dict, Literal, Enum, Optional, pydantic models, and whatever else pydantic describes. A
parameter without a default is required; a default stands in the schema. `Annotated[T, Field(description=...)]`
describes a parameter. The first line of the docstring describes the tool. Other arguments are not taken.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, PydanticSerializationError, to_jsonable_python
from typing_extensions import TypedDict

from octupus.errors import ConfigError

_BY_KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class FunctionTool:
    """A function that a model may call."""

    function: Callable[..., Any]
    definition: dict[str, Any]
    """The tool as it stands in a Chat Completions request."""
    arguments: TypeAdapter[dict[str, Any]]
    """Turns the JSON of a call into the function's keyword arguments."""


def function_tool(function: Callable[..., Any]) -> FunctionTool:
    """The tool that a function is. Raises ConfigError, naming the function and the parameter."""
    name = function.__name__
    description = (inspect.getdoc(function) or "").strip().partition("\n")[0]
    if not description:
        raise ConfigError(f"{name} has no docstring; its first line tells the model what the tool does")
    adapter = _arguments(function)
    parameters = adapter.json_schema(schema_generator=_PlainSchema)
    parameters.pop("title", None)
    definition = {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}
    return FunctionTool(function, definition, adapter)


class _PlainSchema(GenerateJsonSchema):
    """pydantic's schema without the titles that only repeat the names of the properties."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def generate(self, schema: CoreSchema, mode: Any = "validation") -> JsonSchemaValue:
        made = super().generate(schema, mode)
        for definition in made.get("$defs", {}).values():
            definition.pop("title", None)
        return made


def _arguments(function: Callable[..., Any]) -> TypeAdapter[dict[str, Any]]:
    hints = _hints(function)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        place = f"{function.__name__}, parameter {parameter.name}"
        if parameter.kind not in _BY_KEYWORD:
            raise ConfigError(f"{place}: a tool's arguments are given by name; *args, **kwargs and / are not taken")
        if parameter.name not in hints:
            raise ConfigError(f"{place}: has no type hint, and the schema is made of type hints")
        fields[parameter.name] = _field(hints[parameter.name], parameter, place)
    # A typed dict and no model, whose own names, such as `copy`, cannot be fields. Any, since mypy wants fixed fields.
    make_typed_dict: Any = TypedDict
    shape = make_typed_dict("Arguments", fields)
    shape.__pydantic_config__ = ConfigDict(extra="forbid")
    return TypeAdapter(shape)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise ConfigError(f"{function.__name__}: a type hint cannot be resolved: {error}") from error


def _field(hint: Any, parameter: inspect.Parameter, place: str) -> Any:
    try:
        # By itself first, so that the error names the parameter.
        TypeAdapter(hint).json_schema()
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise ConfigError(f"{place}: {hint!r} has no JSON Schema: {error.message.partition(chr(10))[0]}") from error
    if parameter.default is inspect.Parameter.empty:
        return hint
    try:
        default = to_jsonable_python(parameter.default)
    except PydanticSerializationError as error:
        raise ConfigError(f"{place}: the default {parameter.default!r} is no JSON; leave it None") from error
    return NotRequired[Annotated[hint, Field(json_schema_extra={"default": default})]]
