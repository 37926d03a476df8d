"""Messages as clients send them, answers of this server included, to a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from octupus.conversation import FunctionCall, Message, ToolCall, json_text
from octupus.serve.protocol.fields import Input


class TextPart(Input):
    """One part of a message's content. Only text can be read."""

    type: Literal["text", "input_text", "output_text", "refusal"]
    text: str = ""
    refusal: str = ""
    """The text of a refusal."""


class InputFunctionCall(Input):
    """A call in an assistant message. Some clients send the arguments as an object."""

    name: str
    arguments: str | dict[str, Any] = "{}"


class InputToolCall(Input):
    """A tool call that a client sends back."""

    id: str | None = None
    function: InputFunctionCall


class InputMessage(Input):
    """One message of a request."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    tool_calls: list[InputToolCall] | None = None
    tool_call_id: str | None = None


def text_of(content: str | Sequence[TextPart] | None) -> str | None:
    """The text of a message's content."""
    if content is None or isinstance(content, str):
        return content
    return "".join(part.refusal or part.text for part in content)


def message_of(message: InputMessage) -> Message:
    """The message in our own shape. Calls without an id get one by their position."""
    return Message(
        role="system" if message.role == "developer" else message.role,
        content=text_of(message.content),
        tool_calls=tuple(
            ToolCall(id=call.id or f"call_{index}", function=function_call_of(call.function))
            for index, call in enumerate(message.tool_calls or [])
        ),
        tool_call_id=message.tool_call_id if message.role == "tool" else None,
    )


def function_call_of(call: InputFunctionCall) -> FunctionCall:
    """The call with its arguments as JSON text."""
    arguments = call.arguments if isinstance(call.arguments, str) else json_text(call.arguments)
    return FunctionCall(name=call.name, arguments=arguments)
