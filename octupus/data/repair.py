"""Makes the most of a conversation: repairs before it masks a turn, masks before it cuts, cuts before it drops.

Every change leaves a flag: `renamed_tools`, `merged_tools`, `coerced_arguments`, `masked_REASON`, `cut_REASON`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from octupus.conversation import Conversation, FunctionCall, Message, Tool, json_text
from octupus.data.caps import tools_called
from octupus.data.checks import Finding, check_calls, check_structure, check_tools
from octupus.data.reasons import Problem, Reason, Stage
from octupus.data.sources.turns import in_schema_order
from octupus.errors import ConversionError
from octupus.schema.coercion import coerce
from octupus.schema.repair import is_flat, normalise_parameters, parameters_from_flat
from octupus.schema.tool_names import ToolNameCollisionError, safe_names
from octupus.schema.validation import InvalidJsonError, check_schema, parse_arguments

MASKABLE = (Reason.SCHEMA_ERROR, Reason.MISSING_REQUIRED, Reason.UNDECLARED_ARGUMENT)
"""What may stay in the conversation as a mistake that was made, as long as it is not trained.

A call of an unknown tool is cut with all that follows, since its result is as made up as the call.
"""


def repair(conversation: Conversation) -> Conversation | tuple[Stage, Problem]:
    """The conversation with what can be mended mended, or where and why it must be dropped."""
    try:
        mended = _coerced(_with_usable_tools(conversation))
    except ConversionError as error:
        return Stage.STRUCTURE, (Reason(error.reason), error.detail)
    first: Finding | None = None
    while finding := check_structure(mended):
        first = first or finding
        shorter = _cut(mended, finding)
        if shorter is None:
            return Stage.STRUCTURE, first.problem
        mended = shorter
    finding = check_tools(mended)
    if finding:
        return Stage.SCHEMA, finding.problem
    return _without_bad_calls(mended)


def trains_something(conversation: Conversation) -> bool:
    """Whether any message contributes to the loss."""
    return any(map(conversation.trained, range(len(conversation.messages))))


def flagged(conversation: Conversation, flag: str) -> Conversation:
    """The conversation with one flag more."""
    if flag in conversation.flags:
        return conversation
    return conversation.model_copy(update={"flags": (*conversation.flags, flag)})


def prefix(conversation: Conversation, end: int) -> Conversation | None:
    """The messages before `end`, less what follows the last assistant message; None when that leaves none."""
    while end and conversation.messages[end - 1].role != "assistant":
        end -= 1
    if not end:
        return None
    return conversation.model_copy(update={"messages": conversation.messages[:end], "loss": conversation.loss[:end]})


def _with_usable_tools(conversation: Conversation) -> Conversation:
    """Tool names and schemas that any OpenAI client accepts. Raises ConversionError(name_collision)."""
    if not conversation.tools:
        return conversation
    try:
        names = safe_names([tool.function.name for tool in conversation.tools])
    except ToolNameCollisionError as error:
        raise ConversionError(Reason.NAME_COLLISION, str(error)) from error
    tools: dict[str, Tool] = {}
    merged = False
    kept: list[Tool] = []
    for tool in conversation.tools:
        parameters = _normalised(json_text(tool.function.parameters))
        changes = {"name": names[tool.function.name], "parameters": parameters}
        usable = tool.model_copy(update={"function": tool.function.model_copy(update=changes)})
        if tools.get(usable.function.name) == usable:
            merged = True  # the same definition twice
            continue
        tools[usable.function.name] = usable
        kept.append(usable)
    result = conversation.model_copy(update={"tools": tuple(kept)})
    if merged:
        result = flagged(result, "merged_tools")
    renamed = {name: original for original, name in names.items() if name != original}
    if not renamed:
        return result
    messages = tuple(_renamed(message, names) for message in result.messages)
    meta = {**result.meta, "tool_names": renamed}
    return flagged(result.model_copy(update={"messages": messages, "meta": meta}), "renamed_tools")


@lru_cache(maxsize=4096)
def _normalised(parameters: str) -> dict[str, Any]:
    """Remembered by their text, since many rows show the same tools. The result is shared: do not change it."""
    schema = json.loads(parameters)
    return parameters_from_flat(schema, None) if is_flat(schema) else normalise_parameters(schema)


def _renamed(message: Message, names: dict[str, str]) -> Message:
    if not message.tool_calls:
        return message
    calls = tuple(
        call.model_copy(
            update={
                "function": call.function.model_copy(update={"name": names.get(call.function.name, call.function.name)})
            }
        )
        for call in message.tool_calls
    )
    return message.model_copy(update={"tool_calls": calls})


def _coerced(conversation: Conversation) -> Conversation:
    """Arguments brought to the type their schema declares, where no guess is needed, and in the schema's order."""
    called = set(tools_called(conversation))
    schemas = {
        tool.function.name: tool.function.parameters
        for tool in conversation.tools
        if tool.function.name in called and check_schema(tool.function.parameters) is None
    }
    messages: list[Message] = []
    changed = False
    for message in conversation.messages:
        functions = [_coerced_call(call.function, schemas.get(call.function.name)) for call in message.tool_calls]
        changed = changed or any(coerced for _, coerced in functions)
        if functions:
            calls = tuple(
                call.model_copy(update={"function": function})
                for (function, _), call in zip(functions, message.tool_calls, strict=True)
            )
            message = message.model_copy(update={"tool_calls": calls})
        messages.append(message)
    result = conversation.model_copy(update={"messages": tuple(messages)})
    return flagged(result, "coerced_arguments") if changed else result


def _coerced_call(function: FunctionCall, schema: dict[str, Any] | None) -> tuple[FunctionCall, bool]:
    if schema is None:
        return function, False
    try:
        arguments, places = coerce(parse_arguments(function.arguments), schema)
    except InvalidJsonError:
        return function, False  # a check names it
    text = json_text(in_schema_order(arguments, schema))
    return (function if text == function.arguments else function.model_copy(update={"arguments": text})), bool(places)


def _cut(conversation: Conversation, finding: Finding) -> Conversation | None:
    """What stands before the message that breaks a rule; None when nothing is left to train."""
    if finding.message is None:
        return None
    shorter = prefix(conversation, finding.message)
    if shorter is None or not trains_something(shorter):
        return None
    return flagged(shorter, f"cut_{finding.reason}")


def _without_bad_calls(conversation: Conversation) -> Conversation | tuple[Stage, Problem]:
    findings = list(check_calls(conversation))
    for finding in findings:
        assert finding.message is not None  # a call stands in a message
        if not conversation.trained(finding.message):
            continue  # context only, as the corpus itself says
        if finding.reason in MASKABLE:
            conversation = flagged(masked(conversation, [finding.message]), f"masked_{finding.reason}")
            continue
        shorter = _cut(conversation, finding)
        if shorter is None:
            return Stage.SCHEMA, finding.problem
        conversation = shorter
        break
    if not trains_something(conversation):
        if findings:
            return Stage.SCHEMA, findings[0].problem
        return Stage.STRUCTURE, (Reason.NO_ASSISTANT, "no message is trained")
    return conversation


def masked(conversation: Conversation, positions: Sequence[int]) -> Conversation:
    """The conversation with these messages left out of the loss."""
    loss = tuple(
        conversation.trained(position) and position not in positions for position in range(len(conversation.messages))
    )
    return conversation.model_copy(update={"loss": loss})
