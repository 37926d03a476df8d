"""OpenAI's Responses as octupus accepts it: stateless, function tools, text."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from octupus.conversation import Conversation, results_in_call_order
from octupus.errors import RequestError
from octupus.serve.protocol.content import StructuredOutputs, content_rule_of
from octupus.serve.protocol.drawing import MAX_TOP_LOGPROBS, Constraining, Drawing, ReasoningEffort, thinks
from octupus.serve.protocol.fields import Input, read_object, validated
from octupus.serve.protocol.responses_input import Items, messages_of
from octupus.serve.protocol.responses_tools import ToolChoiceField, ToolField, choice_of, flat
from octupus.serve.protocol.tools import declared_tools
from octupus.serve.protocol.turn_request import ContentRule, FieldNames, TurnRequest

FIELDS = FieldNames("input", "max_output_tokens", "tools.{position}.parameters")
LOGPROBS = "message.output_text.logprobs"

_STATEFUL = {
    "previous_response_id": "nothing is stored here, so send the whole input each time",
    "conversation": "nothing is stored here, so send the whole input each time",
    "background": "the answer comes with the request; leave it out",
    "prompt": "no prompts are stored here; send the text in input and instructions",
}
_OF_CHAT = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "functions": "tools",
    "function_call": "tool_choice",
    "logprobs": f"include with {LOGPROBS!r}",
}


class TextFormat(Input):
    """What content must be."""

    type: Literal["text", "json_object", "json_schema"]
    name: str = "response"
    description: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class TextOptions(Input):
    """How content is written. The verbosity is told back and left to the model."""

    format: Annotated[TextFormat, BeforeValidator(lambda value: flat(value, "json_schema"))] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Reasoning(Input):
    """How the model thinks. What it thinks is told whole, so a summary is never made."""

    effort: ReasoningEffort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class ResponsesRequest(Drawing, Constraining):
    """The body of POST /v1/responses."""

    model: str
    input: Items
    instructions: str | None = None
    tools: list[ToolField] | None = None
    tool_choice: ToolChoiceField | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: Annotated[int, Field(ge=1)] | None = None
    """Most calls of the turn."""
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    text: TextOptions | None = None
    structured_outputs: StructuredOutputs | None = None
    reasoning: Reasoning | None = None
    include: list[str] | None = None
    """Only the scores of the tokens are to be had; the rest belongs to items that are never made here."""
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    stream: bool | None = None
    store: bool | None = None
    """OpenAI's default is true. Nothing is stored either way, and the answer says so."""
    truncation: Literal["auto", "disabled"] | None = None
    """Input is never shortened: what is too long is refused, so nothing is lost unnoticed, and the answer says so."""

    @property
    def logprobs(self) -> int | None:
        """How many alternatives are told beside the score of each token; None where no scores are asked for."""
        return (self.top_logprobs or 0) if self.top_logprobs or LOGPROBS in (self.include or ()) else None


def parse_responses_request(body: bytes) -> ResponsesRequest:
    """Read a request's body. Raises RequestError naming the field."""
    value = read_object(body)
    for field, advice in _STATEFUL.items():
        if value.get(field):
            raise RequestError(f"{field} is not supported by this server: {advice}", field, "unsupported_value")
    for field, instead in _OF_CHAT.items():
        # Ignored, it would change the answer without a word.
        if value.get(field):
            raise RequestError(f"{field} is no field of the Responses API; use {instead}", field, "unsupported_value")
    return validated(ResponsesRequest, value)


def conversation_of(request: ResponsesRequest, max_tools: int) -> Conversation:
    """The conversation that a request asks to continue. Raises RequestError naming the field."""
    return Conversation(
        messages=results_in_call_order(messages_of(request.input, request.instructions)),
        tools=declared_tools(request.tools or [], max_tools, "tools.{position}.name"),
    )


def turn_request_of(request: ResponsesRequest, max_tools: int) -> TurnRequest:
    """The request in the form that all routes share. Raises RequestError naming the field."""
    conversation = conversation_of(request, max_tools)
    return TurnRequest(
        model=request.model,
        conversation=conversation,
        tool_choice=choice_of(request.tool_choice, conversation.tools),
        draw=request.draw,
        max_tokens=request.max_output_tokens,
        content=_content_rule(request),
        parallel=request.parallel_tool_calls is not False,
        max_tool_calls=request.max_tool_calls,
        stop=request.stops,
        logprobs=request.logprobs,
        thinking=thinks(request.reasoning.effort if request.reasoning else None),
        constrained=request.constrained,
        on_unenforceable=request.on_unenforceable,
        explain=request.explain,
        fields=FIELDS,
    )


def _content_rule(request: ResponsesRequest) -> ContentRule | None:
    """What content must be; None where any text will do. Raises RequestError."""
    wanted = request.text.format if request.text else None
    if wanted is None or wanted.type == "text":
        return content_rule_of(None, request.structured_outputs)
    if request.structured_outputs is not None:
        raise RequestError("give text.format or structured_outputs, not both", "structured_outputs")
    if wanted.type == "json_object":
        return ContentRule("text.format", schema={"type": "object"})
    if wanted.schema_ is None:
        raise RequestError("text.format.schema: is missing", "text.format.schema")
    return ContentRule("text.format.schema", schema=wanted.schema_)
