"""The input of a Responses request: a text or a list of items as clients send them back, to messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from octupus.conversation import Message, ToolCall
from octupus.errors import RequestError
from octupus.serve.protocol.fields import Input
from octupus.serve.protocol.messages import InputFunctionCall, function_call_of


class TextPart(Input):
    """One part of a text; a refusal keeps its text in a field of its own."""

    type: Literal["input_text", "output_text", "text", "refusal"]
    text: str = ""
    refusal: str = ""


def _part(value: Any) -> TextPart:
    kind = value.get("type") if isinstance(value, dict) else "text"
    if kind not in ("input_text", "output_text", "text", "refusal"):
        message = "a part of type {kind} cannot be read; this server's models read text only"
        raise PydanticCustomError("unreadable_part", message, {"kind": repr(kind)})
    return TextPart.model_validate(value)


def _as_parts(value: Any) -> Any:
    if isinstance(value, str):
        return [TextPart(type="text", text=value)]
    return [] if value is None else value


Part = Annotated[TextPart, PlainValidator(_part, json_schema_input_type=TextPart)]
Parts = Annotated[list[Part], BeforeValidator(_as_parts, json_schema_input_type=str | list[TextPart] | None)]
"""A text, given whole or in parts."""


class MessageItem(Input):
    """A message; clients may leave its type out."""

    type: Literal["message"] | None = None
    role: Literal["user", "assistant", "system", "developer"]
    content: Parts = Field(default_factory=list)


class CallItem(InputFunctionCall):
    """A call that the model made."""

    type: Literal["function_call"]
    call_id: str | None = None
    id: str | None = None


class ResultItem(Input):
    """What a call gave."""

    type: Literal["function_call_output"]
    call_id: str | None = None
    output: Parts = Field(default_factory=list)


class ReasoningItem(Input):
    """What the model thought in an earlier turn. It is not rendered: a conversation holds no thinking."""

    type: Literal["reasoning"]


AnyItem = MessageItem | CallItem | ResultItem | ReasoningItem
_ITEMS: dict[str, type[AnyItem]] = {
    "message": MessageItem,
    "function_call": CallItem,
    "function_call_output": ResultItem,
    "reasoning": ReasoningItem,
}


def _item(value: Any) -> AnyItem:
    if isinstance(value, AnyItem):
        return value
    if not isinstance(value, dict):
        raise PydanticCustomError("item_type", "an item is a JSON object")
    # OpenAI lets a message and a reference do without a type; a message has a role.
    kind = value.get("type") or ("message" if "role" in value else "item_reference")
    model = _ITEMS.get(kind) if isinstance(kind, str) else None
    if model is None:
        advice = (
            "nothing is stored here, so send the item itself"
            if kind == "item_reference"
            else "messages, function_call, function_call_output and reasoning items can"
        )
        message = "an item of type {kind} cannot be read; {advice}"
        raise PydanticCustomError("unreadable_item", message, {"kind": repr(kind), "advice": advice})
    return model.model_validate(value)


def _as_items(value: Any) -> Any:
    return [MessageItem(role="user", content=_as_parts(value))] if isinstance(value, str) else value


Item = Annotated[AnyItem, PlainValidator(_item, json_schema_input_type=AnyItem)]
Items = Annotated[
    list[Item],
    Field(min_length=1),
    BeforeValidator(_as_items, json_schema_input_type=str | Annotated[list[AnyItem], Field(min_length=1)]),
]
"""A text is one message of the user."""


def messages_of(items: Sequence[AnyItem], instructions: str | None) -> list[Message]:
    """The messages that items spell, calls of one turn together with the text in front of them.

    Instructions become the first system message, as OpenAI puts them in front of the input. Where the input begins
    with a system message too, the two are one, parted by a blank line: dialects know one system message, and tell the
    tools there. Raises RequestError when a result answers no call, or nothing is there to answer.
    """
    messages: list[Message] = []
    call_ids: set[str] = set()
    for position, item in enumerate(items):
        if isinstance(item, MessageItem):
            role = "system" if item.role == "developer" else item.role
            messages.append(Message(role=role, content=text_of(item.content)))
        elif isinstance(item, CallItem):
            _add_call(messages, item)
            call_ids.add(messages[-1].tool_calls[-1].id)
        elif isinstance(item, ResultItem):
            _require_call(item, call_ids, f"input.{position}.call_id")
            messages.append(Message(role="tool", content=text_of(item.output), tool_call_id=item.call_id))
    if not messages:
        raise RequestError("input: holds no message; give a text or a message of the user", "input")
    return _instructed(messages, instructions)


def text_of(parts: Sequence[TextPart]) -> str:
    """The text that parts spell."""
    return "".join(part.text or part.refusal for part in parts)


def _add_call(messages: list[Message], item: CallItem) -> None:
    """Add a call to the assistant's turn, which it opens where none is open."""
    if not messages or messages[-1].role != "assistant":
        messages.append(Message(role="assistant"))
    turn = messages[-1]
    call_id = item.call_id or item.id or f"call_{len(turn.tool_calls)}"
    call = ToolCall(id=call_id, function=function_call_of(item))
    messages[-1] = turn.model_copy(update={"tool_calls": (*turn.tool_calls, call)})


def _require_call(item: ResultItem, call_ids: set[str], field: str) -> None:
    if item.call_id is not None and item.call_id not in call_ids:
        raise RequestError(
            f"{field}: no function_call with the id {item.call_id!r} stands before its output; "
            "nothing is stored here, so send the whole input each time",
            field,
        )


def _instructed(messages: list[Message], instructions: str | None) -> list[Message]:
    if not instructions:
        return messages
    first = messages[0]
    if first.role != "system":
        return [Message(role="system", content=instructions), *messages]
    content = f"{instructions}\n\n{first.content}" if first.content else instructions
    return [Message(role="system", content=content), *messages[1:]]
