"""What a conversation must satisfy to be trained on. Each check returns a reason with its detail, or None."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule."""

    message: int | None
    """Position of the message that breaks it, of a result that does not pair its call's; None: the whole conversation
    does."""
    reason: Reason
    detail: str

    @property
    def problem(self) -> Problem:
        return self.reason, self.detail


def check_structure(conversation: Conversation) -> Finding | None:
    """Text that can be written, roles in order, nothing empty, results paired with calls, usable tool names."""
    return (
        _tool_names(conversation)
        or _surrogates(conversation)
        or _roles(conversation.messages)
        or _contents(conversation.messages)
        or _results(conversation.messages)
    )


def check_tools(conversation: Conversation) -> Finding | None:
    """Every tool's schema is valid, also an uncalled one's."""
    for tool in conversation.tools:
        problem = _tool_schema(tool.function.name, tool.function.parameters)
        if problem:
            return Finding(None, *problem)
    return None


def check_calls(conversation: Conversation) -> Iterator[Finding]:
    """What breaks a tool's schema, at most one finding a message. The tools' own schemas must be valid."""
    schemas = {tool.function.name: tool.function.parameters for tool in conversation.tools}
    for position, message in enumerate(conversation.messages):
        problems = (_call(call, schemas) for call in message.tool_calls)
        problem = next((problem for problem in problems if problem), None)
        if problem:
            yield Finding(position, *problem)


def check_schemas(conversation: Conversation) -> Finding | None:
    """Every tool's schema is valid, and every call fits its tool's."""
    return check_tools(conversation) or next(check_calls(conversation), None)


def _surrogates(conversation: Conversation) -> Finding | None:
    for position, tool in enumerate(conversation.tools):
        text = tool.function.name + tool.function.description + json_text(tool.function.parameters)
        if _surrogate(text):
            return Finding(None, Reason.LONE_SURROGATE, f"tool {position} holds {_surrogate(text)} alone")
    for position, message in enumerate(conversation.messages):
        calls = "".join(call.id + call.function.name + call.function.arguments for call in message.tool_calls)
        text = (message.content or "") + (message.tool_call_id or "") + calls
        if _surrogate(text):
            return Finding(position, Reason.LONE_SURROGATE, f"message {position} holds {_surrogate(text)} alone")
    text = json_text(conversation.meta)
    if _surrogate(text):
        return Finding(None, Reason.LONE_SURROGATE, f"what the corpus says of the row holds {_surrogate(text)} alone")
    return None


def _surrogate(text: str) -> str:
    """The first half character of the text, as U+XXXX; empty when there is none."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return f"U+{ord(text[error.start]):04X}"
    return ""


def _roles(messages: Sequence[Message]) -> Finding | None:
    if not any(message.role == "assistant" for message in messages):
        return Finding(None, Reason.NO_ASSISTANT, "no message is the assistant's")
    before = "start"
    for position, message in enumerate(messages):
        kind = "calls" if message.tool_calls else message.role
        if kind == "system":
            if position:
                detail = f"message {position}: a system message may only come first"
                return Finding(position, Reason.ROLES_ERROR, detail)
        elif before not in _BEFORE[kind] and not (before == "calls" and kind != "tool"):
            return Finding(position, Reason.ROLES_ERROR, f"message {position}: {kind} after {before}")
        before = kind
    if messages[-1].role != "assistant":
        return Finding(len(messages) - 1, Reason.ROLES_ERROR, f"the last message is of role {messages[-1].role}")
    return None


def _contents(messages: Sequence[Message]) -> Finding | None:
    for position, message in enumerate(messages):
        if (message.content or "").strip() or message.role == "tool":
            continue
        if message.role != "assistant":
            return Finding(position, Reason.EMPTY_USER, f"message {position} of role {message.role} is empty")
        if not message.tool_calls:
            return Finding(position, Reason.EMPTY_ASSISTANT, f"message {position} neither says nor calls anything")
    return None


def _results(messages: Sequence[Message]) -> Finding | None:
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
            return Finding(position, Reason.TOOL_RESULT_COUNT, detail)
        for call, result in zip(message.tool_calls, results, strict=True):
            if result.tool_call_id != call.id:
                detail = f"message {position}: a result answers {result.tool_call_id!r}, not {call.id!r}"
                return Finding(position, Reason.TOOL_RESULT_COUNT, detail)
            if not (result.content or "").strip():
                detail = f"message {position}: the result of {call.id!r} is empty"
                return Finding(position, Reason.TOOL_RESULT_COUNT, detail)
    return None


def _tool_names(conversation: Conversation) -> Finding | None:
    seen: set[str] = set()
    for tool in conversation.tools:
        name = tool.function.name
        if not TOOL_NAME.fullmatch(name):
            return Finding(None, Reason.NAME_INVALID, f"tool name {name[:80]!r} does not match ^{TOOL_NAME.pattern}$")
        if name in seen:
            return Finding(None, Reason.NAME_DUPLICATE, f"two tools are named {name!r}")
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
