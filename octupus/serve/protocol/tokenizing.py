"""The body of POST /tokenize, in vLLM's form: text, or a conversation as the model is given it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from octupus.conversation import Conversation, results_in_call_order
from octupus.errors import RequestError
from octupus.serve.protocol.fields import Input, read_object, validated
from octupus.serve.protocol.messages import InputMessage, message_of
from octupus.serve.protocol.tools import InputTool, declared_tools


class TokenizeRequest(Input):
    """`prompt` or `messages`."""

    model: str | None = None
    prompt: str | None = None
    messages: Annotated[list[InputMessage], Field(min_length=1)] | None = None
    tools: list[InputTool] | None = None
    add_generation_prompt: bool = True
    return_token_strs: bool | None = None


def parse_tokenize_request(body: bytes) -> TokenizeRequest:
    """Read a request's body. Raises RequestError naming the field."""
    request = validated(TokenizeRequest, read_object(body))
    if (request.prompt is None) == (request.messages is None):
        raise RequestError("give prompt or messages, one of them", "prompt")
    return request


def tokenized_conversation(request: TokenizeRequest, max_tools: int) -> Conversation:
    """The conversation of a request with messages. Raises RequestError naming the field."""
    return Conversation(
        messages=results_in_call_order([message_of(message) for message in request.messages or []]),
        tools=declared_tools([tool.function for tool in request.tools or []], max_tools),
    )
