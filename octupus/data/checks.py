"""What a conversation must satisfy to be trained on. Each check returns a reason with its detail, or None."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from octupus.conversation import Conversation, Message, ToolCall, json_text
from octupus.data.reasons import Problem, Reason
from octupus.schema.validation import (
    InvalidJsonError,
    Violation,
    check_schema,
    parse_arguments,
    validator,
)

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

_BEFORE = {
    "user": ("start", "system", "assistant", "tool"),
    "assistant": ("system", "user", "tool"),
    "calls": ("user", "tool"),
    "tool": ("calls", "tool"),
}
"""What may stand before a message; `calls` is an assistant message with tool calls."""

_DECLARE_ELSEWHERE = ("patternProperties", "$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas")


def check_structure(conversation: Conversation) -> Problem | None:
    """Text that can be written, roles in order, nothing empty, results paired with calls, usable tool names."""
    return (
        _surrogates(conversation)
        or _roles(conversation.messages)
        or _contents(conversation.messages)
        or _results(conversation.messages)
        or _tool_names(conversation)
    )


def check_schemas(conversation: Conversation) -> Problem | None:
    """Every tool's schema is valid, also an uncalled one's, and every call fits its tool's."""
    for tool in conversation.tools:
        problem = _tool_schema(tool.function.name, tool.function.parameters)
        if problem:
            return problem
    schemas = {tool.function.name: tool.function.parameters for tool in conversation.tools}
    for message in conversation.messages:
        for call in message.tool_calls:
            problem = _call(call, schemas)
            if problem:
                return problem
    return None


def _surrogates(conversation: Conversation) -> Problem | None:
    for part, text in _texts(conversation):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            return Reason.LONE_SURROGATE, f"{part} holds U+{ord(text[error.start]):04X} alone"
    return None


def _texts(conversation: Conversation) -> Iterator[tuple[str, str]]:
    for position, message in enumerate(conversation.messages):
        yield f"message {position}", message.content or ""
        yield f"message {position}", message.tool_call_id or ""
        for call in message.tool_calls:
            yield f"message {position}", call.id + call.function.name + call.function.arguments
    for position, tool in enumerate(conversation.tools):
        yield f"tool {position}", tool.function.name + tool.function.description
        yield f"tool {position}", json_text(tool.function.parameters)


def _roles(messages: Sequence[Message]) -> Problem | None:
    if not any(message.role == "assistant" for message in messages):
        return Reason.NO_ASSISTANT, "no message is the assistant's"
    before = "start"
    for position, message in enumerate(messages):
        kind = "calls" if message.tool_calls else message.role
        if kind == "system":
            if position:
                return Reason.ROLES_ERROR, f"message {position}: a system message may only come first"
        elif before not in _BEFORE[kind] and not (before == "calls" and kind != "tool"):
            return Reason.ROLES_ERROR, f"message {position}: {kind} after {before}"
        before = kind
    if messages[-1].role != "assistant":
        return Reason.ROLES_ERROR, f"the last message is of role {messages[-1].role}"
    return None


def _contents(messages: Sequence[Message]) -> Problem | None:
    for position, message in enumerate(messages):
        if (message.content or "").strip() or message.role == "tool":
            continue
        if message.role != "assistant":
            return Reason.EMPTY_USER, f"message {position} of role {message.role} is empty"
        if not message.tool_calls:
            return Reason.EMPTY_ASSISTANT, f"message {position} neither says nor calls anything"
    return None


def _results(messages: Sequence[Message]) -> Problem | None:
    """Each message with calls is followed by one result a call, in order; only the last message may be unanswered."""
    for position, message in enumerate(messages[:-1]):
        if not message.tool_calls:
            continue
        end = position + 1
        while messages[end].role == "tool":
            end += 1
        results = messages[position + 1 : end]
        if len(results) != len(message.tool_calls):
            detail = f"message {position}: {len(results)} results for {len(message.tool_calls)} calls"
            return Reason.TOOL_RESULT_COUNT, detail
        for call, result in zip(message.tool_calls, results, strict=True):
            if result.tool_call_id != call.id:
                detail = f"message {position}: a result answers {result.tool_call_id!r}, not {call.id!r}"
                return Reason.TOOL_RESULT_COUNT, detail
            if not (result.content or "").strip():
                return Reason.TOOL_RESULT_COUNT, f"message {position}: the result of {call.id!r} is empty"
    return None


def _tool_names(conversation: Conversation) -> Problem | None:
    seen: set[str] = set()
    for tool in conversation.tools:
        name = tool.function.name
        if not TOOL_NAME.fullmatch(name):
            return Reason.NAME_INVALID, f"tool name {name[:80]!r} does not match ^{TOOL_NAME.pattern}$"
        if name in seen:
            return Reason.NAME_DUPLICATE, f"two tools are named {name!r}"
        seen.add(name)
    return None


def _tool_schema(name: str, schema: dict[str, Any]) -> Problem | None:
    violation = check_schema(schema)
    if violation:
        return Reason.BAD_SCHEMA, f"tool {name!r} at {violation.pointer or '/'}: {violation.message}"
    if schema.get("type", "object") != "object":
        return Reason.BAD_SCHEMA, f"tool {name!r}: parameters are of type {schema['type']!r}, not object"
    return None


def _call(call: ToolCall, schemas: dict[str, dict[str, Any]]) -> Problem | None:
    name = call.function.name
    if name not in schemas:
        return Reason.UNKNOWN_TOOL, f"{name!r} is none of the tools {', '.join(schemas) or '(there are none)'}"
    try:
        arguments = parse_arguments(call.function.arguments)
    except InvalidJsonError as error:
        return Reason.CALL_PARSE_ERROR, f"arguments of {name!r}: {error}"
    found = validator(schemas[name]).violations(arguments)
    missing = _first(found, ("required",))
    if missing:
        return Reason.MISSING_REQUIRED, f"{name!r} at {missing.pointer or '/'}: {missing.message}"
    for argument in arguments:
        if not _declared(argument, schemas[name]):
            return Reason.UNDECLARED_ARGUMENT, f"{name!r} does not know the argument {argument!r}"
    undeclared = _first(found, ("additionalProperties", "unevaluatedProperties"))
    if undeclared:
        return Reason.UNDECLARED_ARGUMENT, f"{name!r} at {undeclared.pointer or '/'}: {undeclared.message}"
    if found:
        return Reason.SCHEMA_ERROR, f"{name!r} at {found[0].pointer or '/'}: {found[0].message}"
    return None


def _first(found: Sequence[Violation], keywords: Sequence[str]) -> Violation | None:
    return next((violation for violation in found if violation.keyword in keywords), None)


def _declared(argument: str, schema: dict[str, Any]) -> bool:
    """Whether the schema knows the argument. JSON Schema allows what it does not name; a tool does not."""
    if schema.get("additionalProperties", False) is not False:
        return True
    return argument in schema.get("properties", {}) or any(keyword in schema for keyword in _DECLARE_ELSEWHERE)
