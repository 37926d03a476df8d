"""OpenAI's Chat Completions as octupus accepts it: request fields, checked, and brought into our own shapes.

Unknown fields are ignored, as clients send more every month; a wrong type is refused with the field's path.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from octupus.conversation import (
    Conversation,
    FunctionCall,
    FunctionDefinition,
    Message,
    Tool,
    ToolCall,
    json_text,
    results_in_call_order,
)
from octupus.errors import RequestError
from octupus.schema.validation import parse_json

_FIELD_NAME = re.compile(r"[a-z_]+")
TOOL_NAME = re.compile(r"^[a-zA-Z0-9_.-]{1,64}$")


class _Input(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class TextPart(_Input):
    """One part of a message's content. Only text can be read."""

    type: Literal["text", "input_text", "output_text", "refusal"]
    text: str = ""


class InputFunctionCall(_Input):
    """A call in an assistant message. Some clients send the arguments as an object."""

    name: str
    arguments: str | dict[str, Any] = "{}"


class InputToolCall(_Input):
    """A tool call that a client sends back."""

    id: str | None = None
    function: InputFunctionCall


class InputMessage(_Input):
    """One message of a request."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    tool_calls: list[InputToolCall] | None = None
    tool_call_id: str | None = None


class InputFunction(_Input):
    """A tool's definition."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class InputTool(_Input):
    """A tool of a request."""

    type: Literal["function"]
    function: InputFunction


class NamedFunction(_Input):
    """The tool that a named choice asks for."""

    name: str


class NamedToolChoice(_Input):
    """`tool_choice` naming one tool."""

    type: Literal["function"]
    function: NamedFunction


class AllowedTool(_Input):
    """One tool of an `allowed_tools` choice."""

    type: Literal["function"]
    function: NamedFunction


class AllowedTools(_Input):
    """The tools that a choice is limited to; the prompt describes them all, so that its prefix stays cached."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[AllowedTool], Field(min_length=1)]


class AllowedToolsChoice(_Input):
    """`tool_choice` limited to some of the tools."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


class JsonSchemaFormat(_Input):
    """What `response_format` of type json_schema asks for."""

    name: str = "response"
    schema_: Annotated[dict[str, Any], Field(alias="schema", default_factory=dict)]
    strict: bool | None = None


class ResponseFormat(_Input):
    """What content must be."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None


class StructuredOutputs(_Input):
    """vLLM's own field for what content must be; exactly one of its keys is given."""

    json_: Annotated[dict[str, Any] | str | None, Field(alias="json")] = None
    json_object: bool | None = None
    regex: str | None = None
    choice: Annotated[list[str], Field(min_length=1)] | None = None


class StreamOptions(_Input):
    """Options of a streamed answer."""

    include_usage: bool = False


class ChatRequest(_Input):
    """The body of POST /v1/chat/completions."""

    model: str
    messages: Annotated[list[InputMessage], Field(min_length=1)]
    tools: list[InputTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedToolChoice | AllowedToolsChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: Annotated[int, Field(ge=1)] | None = None
    """Most calls of the turn."""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    logprobs: bool | None = None
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    constrained: bool = True
    """octupus's own: false generates without the constraint, where the server allows it."""
    on_unenforceable: Literal["refuse", "check"] | None = None
    """octupus's own: what a keyword does that no backend enforces; null leaves it to the server."""
    explain: bool = False
    """octupus's own: say how the constraint acted, step by step."""


def parse_chat_request(body: bytes) -> ChatRequest:
    """Read a request's body. Raises RequestError naming the field."""
    try:
        value = parse_json(body.decode())
    except ValueError as error:
        raise RequestError(f"the body is not valid JSON: {error}", code="invalid_json") from error
    if not isinstance(value, dict):
        raise RequestError("the body must be a JSON object", code="invalid_json")
    try:
        request = ChatRequest.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = _path(first["loc"])
        raise RequestError(f"{field}: {first['msg']}", field) from error
    _refuse_unsupported(request)
    return request


def conversation_of(request: ChatRequest, max_tools: int) -> Conversation:
    """The conversation that a request asks to continue. Raises RequestError naming the field."""
    return Conversation(
        messages=results_in_call_order([_message(message) for message in request.messages]),
        tools=_tools(request.tools or [], max_tools),
    )


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Which tools may be called, and whether one must be."""

    mode: Literal["none", "auto", "required"]
    names: tuple[str, ...]


def tool_choice_of(request: ChatRequest, tools: Sequence[Tool]) -> ToolChoice:
    """The choice of a request. Raises RequestError."""
    choice = request.tool_choice
    names = tuple(tool.function.name for tool in tools)
    if isinstance(choice, NamedToolChoice):
        return ToolChoice("required", _known([choice.function.name], names, "tool_choice.function.name"))
    if isinstance(choice, AllowedToolsChoice):
        asked = [tool.function.name for tool in choice.allowed_tools.tools]
        return ToolChoice(choice.allowed_tools.mode, _known(asked, names, "tool_choice.allowed_tools.tools"))
    if choice == "required" and not names:
        raise RequestError("tool_choice is required but no tools are given", "tool_choice")
    if choice == "none" or not names:
        return ToolChoice("none", ())
    return ToolChoice(choice or "auto", names)


@dataclass(frozen=True, slots=True)
class ContentRule:
    """What content must be: a JSON value of a schema, or text that a pattern or one of the choices matches."""

    field: str
    """The request's field, for errors."""
    schema: dict[str, Any] | None = None
    regex: str | None = None
    choices: tuple[str, ...] = ()


def content_rule_of(request: ChatRequest) -> ContentRule | None:
    """What a request asks of content; None where any text will do. Raises RequestError."""
    wanted = request.response_format
    given = request.structured_outputs
    if given is None:
        if wanted is None or wanted.type == "text":
            return None
        if wanted.type == "json_object":
            return ContentRule("response_format", schema={"type": "object"})
        if wanted.json_schema is None:
            raise RequestError("response_format: json_schema is missing", "response_format.json_schema")
        return ContentRule("response_format.json_schema.schema", schema=wanted.json_schema.schema_)
    if wanted is not None and wanted.type != "text":
        raise RequestError("give response_format or structured_outputs, not both", "structured_outputs")
    present = [name for name in ("json_", "json_object", "regex", "choice") if getattr(given, name)]
    if len(present) != 1:
        raise RequestError(
            "structured_outputs: give exactly one of json, json_object, regex, choice", "structured_outputs"
        )
    field = f"structured_outputs.{present[0].rstrip('_')}"
    if given.choice:
        return ContentRule(field, choices=tuple(given.choice))
    if given.regex:
        return ContentRule(field, regex=given.regex)
    return ContentRule(field, schema={"type": "object"} if given.json_object else _schema_of(given.json_, field))


def _schema_of(value: dict[str, Any] | str | None, field: str) -> dict[str, Any]:
    if not isinstance(value, str):
        return value or {}
    try:
        schema = parse_json(value)
    except ValueError as error:
        raise RequestError(f"{field}: not valid JSON: {error}", field) from error
    if not isinstance(schema, dict):
        raise RequestError(f"{field}: a schema is a JSON object", field)
    return schema


def _known(asked: Sequence[str], names: Sequence[str], field: str) -> tuple[str, ...]:
    for name in asked:
        if name not in names:
            raise RequestError(f"{field}: {name!r} is not among tools", "tool_choice")
    return tuple(name for name in names if name in asked)


def _refuse_unsupported(request: ChatRequest) -> None:
    """What would silently change the answer if it were ignored."""
    unsupported = {
        "n": request.n not in (None, 1),
        "stop": bool(request.stop),
        "logprobs": bool(request.logprobs),
    }
    for field, present in unsupported.items():
        if present:
            raise RequestError(f"{field} is not supported by this server; leave it out", field, "unsupported_value")


def _message(message: InputMessage) -> Message:
    content = message.content
    if isinstance(content, list):
        content = "".join(part.text for part in content)
    return Message(
        role="system" if message.role == "developer" else message.role,
        content=content,
        tool_calls=tuple(
            ToolCall(id=call.id or f"call_{index}", function=_function_call(call.function))
            for index, call in enumerate(message.tool_calls or [])
        ),
        tool_call_id=message.tool_call_id if message.role == "tool" else None,
    )


def _function_call(call: InputFunctionCall) -> FunctionCall:
    arguments = call.arguments if isinstance(call.arguments, str) else json_text(call.arguments)
    return FunctionCall(name=call.name, arguments=arguments)


def _tools(tools: Sequence[InputTool], max_tools: int) -> tuple[Tool, ...]:
    if len(tools) > max_tools:
        raise RequestError(f"{len(tools)} tools are given and the limit is {max_tools}", "tools")
    result: list[Tool] = []
    for position, tool in enumerate(tools):
        name = tool.function.name
        field = f"tools.{position}.function.name"
        if not TOOL_NAME.fullmatch(name):
            raise RequestError(f"{field}: {name!r} must match {TOOL_NAME.pattern}", field)
        if any(name == other.function.name for other in result):
            raise RequestError(f"{field}: {name!r} is defined twice", field)
        definition = FunctionDefinition(name=name, description=tool.function.description or "")
        if tool.function.parameters:
            definition = definition.model_copy(update={"parameters": tool.function.parameters})
        result.append(Tool(function=definition))
    return tuple(result)


def _path(location: Sequence[Any]) -> str:
    # pydantic puts the names of a union's members into the path; they hold capitals or brackets.
    return ".".join(str(part) for part in location if isinstance(part, int) or _FIELD_NAME.fullmatch(str(part)))
