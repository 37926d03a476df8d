"""What a Responses answer tells back of its request, as OpenAI does."""

from __future__ import annotations

from typing import Any

from openai.types.responses import (
    FunctionTool,
    ResponseFormatTextJSONSchemaConfig,
    ResponseTextConfig,
    ToolChoiceAllowed,
    ToolChoiceFunction,
)
from openai.types.shared import Reasoning, ResponseFormatJSONObject, ResponseFormatText

from octupus.serve.protocol.responses import ResponsesRequest
from octupus.serve.protocol.responses_tools import AllowedTools, NamedFunction


def frame_of(request: ResponsesRequest, model: str, response_id: str, created: int) -> dict[str, Any]:
    """The fields of a Response that do not change while it is written.

    What the request leaves to the server is null, `store` is false and `truncation` disabled, whatever was asked.
    """
    return {
        "id": response_id,
        "object": "response",
        "created_at": created,
        "model": model,
        "background": False,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "metadata": request.metadata or {},
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": _reasoning(request),
        "service_tier": "default",
        "store": False,
        "temperature": request.temperature,
        "text": _text(request),
        "tool_choice": _tool_choice(request),
        "tools": _tools(request),
        "top_logprobs": request.top_logprobs or 0,
        "top_p": request.top_p,
        "truncation": "disabled",
        "user": request.user,
    }


def _reasoning(request: ResponsesRequest) -> Reasoning:
    asked = request.reasoning
    return Reasoning(effort=asked.effort if asked else None, summary=asked.summary if asked else None)


def _text(request: ResponsesRequest) -> ResponseTextConfig:
    verbosity = request.text.verbosity if request.text else None
    return ResponseTextConfig(format=_format(request), verbosity=verbosity or "medium")


def _format(
    request: ResponsesRequest,
) -> ResponseFormatText | ResponseFormatJSONObject | ResponseFormatTextJSONSchemaConfig:
    wanted = request.text.format if request.text else None
    if wanted is None or wanted.type == "text":
        return ResponseFormatText(type="text")
    if wanted.type == "json_object":
        return ResponseFormatJSONObject(type="json_object")
    return ResponseFormatTextJSONSchemaConfig(
        type="json_schema",
        name=wanted.name,
        description=wanted.description,
        schema=wanted.schema_ or {},
        strict=_strict(wanted.strict, request),
    )


def _tool_choice(request: ResponsesRequest) -> str | ToolChoiceFunction | ToolChoiceAllowed:
    choice = request.tool_choice
    if isinstance(choice, NamedFunction):
        return ToolChoiceFunction(type="function", name=choice.name)
    if isinstance(choice, AllowedTools):
        tools: list[dict[str, object]] = [{"type": "function", "name": tool.name} for tool in choice.tools]
        return ToolChoiceAllowed(type="allowed_tools", mode=choice.mode, tools=tools)
    return choice or "auto"


def _tools(request: ResponsesRequest) -> list[FunctionTool]:
    return [
        FunctionTool(
            type="function",
            name=tool.name,
            description=tool.description,
            parameters=tool.parameters,
            strict=_strict(tool.strict, request),
        )
        for tool in request.tools or []
    ]


def _strict(given: bool | None, request: ResponsesRequest) -> bool:
    """Null is made true, as OpenAI does, unless the request turns the constraint off."""
    return request.constrained if given is None else given
