"""OpenAI's Chat Completions as octupus accepts it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from octupus.conversation import Conversation, results_in_call_order
from octupus.errors import RequestError
from octupus.serve.protocol.content import ResponseFormat, StructuredOutputs, content_rule_of
from octupus.serve.protocol.drawing import MAX_TOP_LOGPROBS, Constraining, Drawing, ReasoningEffort, thinks
from octupus.serve.protocol.fields import Input, read_object, validated
from octupus.serve.protocol.messages import InputMessage, message_of
from octupus.serve.protocol.tools import InputTool, ToolChoiceField, declared_tools, tool_choice_of
from octupus.serve.protocol.turn_request import FieldNames, TurnRequest


class StreamOptions(Input):
    """Options of a streamed answer."""

    include_usage: bool = False


class ChatRequest(Drawing, Constraining):
    """The body of POST /v1/chat/completions."""

    model: str
    messages: Annotated[list[InputMessage], Field(min_length=1)]
    tools: list[InputTool] | None = None
    tool_choice: ToolChoiceField = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: Annotated[int, Field(ge=1)] | None = None
    """Most calls of the turn."""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    reasoning_effort: ReasoningEffort | None = None
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    functions: Any = None
    """OpenAI's form of tools before `tools`; refused."""
    function_call: Any = None
    """OpenAI's form of `tool_choice` before it; refused."""

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the counts."""
        return self.stream_options is not None and self.stream_options.include_usage


def parse_chat_request(body: bytes) -> ChatRequest:
    """Read a request's body. Raises RequestError naming the field."""
    request = validated(ChatRequest, read_object(body))
    for field, instead in (("functions", "tools"), ("function_call", "tool_choice")):
        if getattr(request, field):
            raise RequestError(f"{field} is not supported by this server; use {instead}", field, "unsupported_value")
    if request.top_logprobs and not request.logprobs:
        raise RequestError("top_logprobs needs logprobs to be true", "top_logprobs")
    return request


def conversation_of(request: ChatRequest, max_tools: int) -> Conversation:
    """The conversation that a request asks to continue. Raises RequestError naming the field."""
    return Conversation(
        messages=results_in_call_order([message_of(message) for message in request.messages]),
        tools=declared_tools([tool.function for tool in request.tools or []], max_tools),
    )


def turn_request_of(request: ChatRequest, max_tools: int) -> TurnRequest:
    """The request in the form that all routes share. Raises RequestError naming the field."""
    conversation = conversation_of(request, max_tools)
    limit = request.max_completion_tokens
    return TurnRequest(
        model=request.model,
        conversation=conversation,
        tool_choice=tool_choice_of(request.tool_choice, conversation.tools),
        draw=request.draw,
        max_tokens=limit or request.max_tokens,
        content=content_rule_of(request.response_format, request.structured_outputs),
        parallel=request.parallel_tool_calls is not False,
        max_tool_calls=request.max_tool_calls,
        choices=request.n or 1,
        stop=request.stops,
        logprobs=(request.top_logprobs or 0) if request.logprobs else None,
        thinking=thinks(request.reasoning_effort),
        constrained=request.constrained,
        on_unenforceable=request.on_unenforceable,
        explain=request.explain,
        fields=FieldNames(max_tokens="max_completion_tokens" if limit else "max_tokens"),
    )
