"""What every format is first brought to: turns, from which the conversation is built.

A turn still has arguments as the corpus wrote them and ids only where the corpus has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octupus.conversation import (
    Conversation,
    FunctionCall,
    Message,
    Role,
    Tool,
    ToolCall,
    json_text,
    results_in_call_order,
)
from octupus.data.reasons import Problem, Reason
from octupus.errors import ConversionError
from octupus.schema.validation import InvalidJsonError, json_type, parse_arguments


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a turn; `arguments` is a JSON object or its text."""

    name: str
    arguments: Any
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One message before calls and results have ids."""

    role: Role
    content: str | None = None
    calls: tuple[Call, ...] = ()
    tool_call_id: str | None = None
    """Of a result: the call it answers, where the corpus says so."""
    tool_name: str | None = None
    """Of a result: the tool it comes from, where the corpus says so."""
    trained: bool = True
    problem: Problem | None = None
    """Why the turn cannot be read; the conversation then ends before it."""


def build(turns: Sequence[Turn], tools: Sequence[Tool], meta: Mapping[str, Any] | None = None) -> Conversation:
    """The conversation: ids given, results paired with calls, arguments canonical.

    At a turn that cannot be read the conversation ends, and a flag `cut_REASON` says so; a result that does not pair
    takes its calls with it. Raises ConversionError when no assistant message is left in front of such a turn.
    """
    schemas = {tool.function.name: tool.function.parameters for tool in tools}
    messages: list[Message] = []
    trained: list[bool] = []
    unanswered: list[ToolCall] = []
    count = 0
    problem: Problem | None = None
    for turn in turns:
        if turn.role == "system" and not (turn.content or "").strip():
            continue  # many corpora have the column and leave it empty
        if turn.problem:
            problem = turn.problem
            break
        calls: list[ToolCall] = []
        result_of: str | None = None
        try:
            for call in turn.calls:
                function = FunctionCall(name=call.name, arguments=_canonical(call, schemas.get(call.name, {})))
                calls.append(ToolCall(id=call.id or f"call_{count}", function=function))
                count += 1
            if turn.role == "tool":
                result_of = _answered(turn, unanswered)
        except ConversionError as error:
            problem = Reason(error.reason), error.detail
            if turn.role == "tool":
                while messages and messages[-1].role == "tool":
                    messages.pop()
                messages.pop()
            break
        if turn.role == "tool":
            unanswered = [call for call in unanswered if call.id != result_of]
        else:
            unanswered = calls
        messages.append(Message(role=turn.role, content=turn.content, tool_calls=tuple(calls), tool_call_id=result_of))
        trained.append(turn.trained and turn.role == "assistant")
    flags: tuple[str, ...] = ()
    if problem:
        while messages and messages[-1].role != "assistant":
            messages.pop()
        if not messages:
            raise ConversionError(*problem)
        flags = (f"cut_{problem[0]}",)
        trained = trained[: len(messages)]
    every_assistant = all(mask for message, mask in zip(messages, trained, strict=True) if message.role == "assistant")
    return Conversation(
        messages=results_in_call_order(messages),
        tools=tuple(tools),
        loss=() if every_assistant else tuple(trained),
        flags=flags,
        meta=dict(meta or {}),
    )


def _answered(turn: Turn, unanswered: Sequence[ToolCall]) -> str | None:
    """The id of the call that a result answers: by its own id, by its tool's name, else the first that has none."""
    if turn.tool_call_id:
        return turn.tool_call_id
    if turn.tool_name and unanswered:
        for call in unanswered:
            if call.function.name == turn.tool_name:
                return call.id
        called = ", ".join(call.function.name for call in unanswered)
        raise ConversionError(Reason.TOOL_RESULT_NAME, f"a result is of {turn.tool_name!r}, but {called} was called")
    return unanswered[0].id if unanswered else None


def text(value: Any, where: str) -> str | None:
    """Content as text: a string, null, or OpenAI's list of text parts. Raises ConversionError(wrong_shape)."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        parts = [part.get("text") if isinstance(part, dict) else None for part in value]
        if all(isinstance(part, str) for part in parts):
            return "".join(map(str, parts))
    raise ConversionError(
        Reason.WRONG_SHAPE, f"{where} must be a string or a list of text parts, not {json_type(value)}"
    )


def mapping(value: Any, where: str) -> dict[str, Any]:
    """The value as an object. Raises ConversionError(wrong_shape)."""
    if not isinstance(value, dict):
        raise ConversionError(Reason.WRONG_SHAPE, f"{where} must be an object, not {json_type(value)}")
    return value


def sequence(value: Any, where: str) -> list[Any]:
    """The value as an array. Raises ConversionError(wrong_shape)."""
    if not isinstance(value, list):
        raise ConversionError(Reason.WRONG_SHAPE, f"{where} must be an array, not {json_type(value)}")
    return value


def _canonical(call: Call, schema: Mapping[str, Any]) -> str:
    arguments = call.arguments
    if isinstance(arguments, str):
        try:
            arguments = parse_arguments(arguments or "{}")
        except InvalidJsonError as error:
            raise ConversionError(
                Reason.CALL_PARSE_ERROR, f"arguments of {call.name!r}: {error} in {call.arguments[:80]!r}"
            ) from error
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise ConversionError(
            Reason.CALL_PARSE_ERROR,
            f"arguments of {call.name!r} must be an object, not {json_type(arguments)}",
        )
    return json_text(in_schema_order(arguments, schema))


def in_schema_order(value: Any, schema: Any) -> Any:
    """The value with the keys of its objects in the order of the schema's properties, undeclared ones last.

    Constrained decoding writes arguments in that order, so that is what is trained.
    """
    if not isinstance(schema, dict):
        return value
    if isinstance(value, list):
        return [in_schema_order(inner, schema.get("items")) for inner in value]
    properties = schema.get("properties")
    if not isinstance(value, dict) or not isinstance(properties, dict):
        return value
    names = [name for name in properties if name in value]
    names += [name for name in value if name not in properties]
    return {name: in_schema_order(value[name], properties.get(name)) for name in names}
