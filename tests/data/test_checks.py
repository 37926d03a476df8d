"""What a conversation must satisfy, each broken rule with its reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from octupus.conversation import Conversation, FunctionCall, FunctionDefinition, Message, Tool, ToolCall
from octupus.data.checks import check_schemas, check_structure
from octupus.data.language import language
from octupus.data.reasons import Reason

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "enum": ["Rome", "Oslo"]},
        "area": {"type": "object", "properties": {"side": {"type": "number"}}, "required": ["side"]},
    },
    "required": ["city"],
}


def tool(name: str = "f", schema: dict[str, Any] | None = None) -> Tool:
    return Tool(function=FunctionDefinition(name=name, parameters=SCHEMA if schema is None else schema))


def user(content: str = "?") -> Message:
    return Message(role="user", content=content)


def said(content: str | None = "ok") -> Message:
    return Message(role="assistant", content=content)


def system(content: str = "s") -> Message:
    return Message(role="system", content=content)


def called(*ids: str, arguments: str = '{"city": "Rome"}', name: str = "f") -> Message:
    function = FunctionCall(name=name, arguments=arguments)
    return Message(role="assistant", tool_calls=tuple(ToolCall(id=each, function=function) for each in ids))


def result(identity: str | None, content: str = "1") -> Message:
    return Message(role="tool", content=content, tool_call_id=identity)


def conversation(*messages: Message, tools: tuple[Tool, ...] = (tool(),)) -> Conversation:
    return Conversation(messages=messages, tools=tools)


@pytest.mark.parametrize(
    "messages",
    [
        (user(), said()),
        (system(), user(), said(), user(), said()),
        (user(), called("a")),
        (user(), called("a"), result("a"), said()),
        (user(), called("a", "b"), result("a"), result("b"), said()),
        (user(), called("a"), result("a"), called("b"), result("b"), said(), user(), called("c")),
        (user(), called("a"), result("a"), user(), said()),
    ],
)
def test_good_structure(messages: tuple[Message, ...]) -> None:
    assert check_structure(conversation(*messages)) is None


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ((), Reason.NO_ASSISTANT),
        ((user(),), Reason.NO_ASSISTANT),
        ((user(), said(), user()), Reason.ROLES_ERROR),
        ((user(), called("a"), result("a")), Reason.ROLES_ERROR),
        ((said(), user(), said()), Reason.ROLES_ERROR),
        ((user(), said(), said()), Reason.ROLES_ERROR),
        ((user(), user(), said()), Reason.ROLES_ERROR),
        ((user(), system(), said()), Reason.ROLES_ERROR),
        ((result("a"), said()), Reason.ROLES_ERROR),
        ((user(), said(), result("a"), said()), Reason.ROLES_ERROR),
        ((system(), called("a")), Reason.ROLES_ERROR),
        ((user(" \n"), said()), Reason.EMPTY_USER),
        ((system(""), user(), said()), Reason.EMPTY_USER),
        ((user(), said(None)), Reason.EMPTY_ASSISTANT),
        ((user(), said(" ")), Reason.EMPTY_ASSISTANT),
        ((user(), called("a", "b"), result("a"), said()), Reason.TOOL_RESULT_COUNT),
        ((user(), called("a"), result("a"), result("a"), said()), Reason.TOOL_RESULT_COUNT),
        ((user(), called("a"), user(), said()), Reason.TOOL_RESULT_COUNT),
        ((user(), called("a"), said()), Reason.TOOL_RESULT_COUNT),
        ((user(), called("a"), result("b"), said()), Reason.TOOL_RESULT_COUNT),
        ((user(), called("a", "b"), result("b"), result("a"), said()), Reason.TOOL_RESULT_COUNT),
        ((user(), called("a"), result("a", ""), said()), Reason.TOOL_RESULT_COUNT),
        ((user("\ud83d"), said()), Reason.LONE_SURROGATE),
        ((user(), called("a", arguments='{"city": "\udc00"}')), Reason.LONE_SURROGATE),
    ],
)
def test_broken_structure(messages: tuple[Message, ...], reason: Reason) -> None:
    problem = check_structure(conversation(*messages))
    assert problem is not None
    assert problem[0] == reason
    problem[1].encode("utf-8")


@pytest.mark.parametrize("name", ["", "a b", "a.b", "名", "x" * 65, "a\n"])
def test_invalid_tool_names(name: str) -> None:
    problem = check_structure(conversation(user(), said(), tools=(tool(name),)))
    assert problem is not None
    assert problem[0] == Reason.NAME_INVALID


def test_duplicate_tool_names() -> None:
    problem = check_structure(conversation(user(), said(), tools=(tool("a"), tool("b"), tool("a"))))
    assert problem == (Reason.NAME_DUPLICATE, "two tools are named 'a'")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"city": "Rome"}, None),
        ({"city": "Rome", "area": {"side": 2}}, None),
        ({}, Reason.MISSING_REQUIRED),
        ({"city": "Rome", "area": {}}, Reason.MISSING_REQUIRED),
        ({"city": "Rome", "planet": "Mars"}, Reason.UNDECLARED_ARGUMENT),
        ({"city": "Paris"}, Reason.SCHEMA_ERROR),
        ({"city": "Rome", "area": 3}, Reason.SCHEMA_ERROR),
    ],
)
def test_calls_against_the_schema(arguments: dict[str, Any], reason: Reason | None) -> None:
    problem = check_schemas(conversation(user(), called("a", arguments=json.dumps(arguments))))
    assert (problem[0] if problem else None) == reason


@pytest.mark.parametrize("more", [{"additionalProperties": True}, {"additionalProperties": {"type": "string"}}])
def test_additional_arguments_may_be_declared(more: dict[str, Any]) -> None:
    arguments = '{"city": "Rome", "planet": "Mars"}'
    tools = (tool(schema={**SCHEMA, **more}),)
    assert check_schemas(conversation(user(), called("a", arguments=arguments), tools=tools)) is None


@pytest.mark.parametrize(("name", "arguments"), [("g", "{}"), ("f", "{")])
def test_unknown_tools_and_broken_arguments(name: str, arguments: str) -> None:
    problem = check_schemas(conversation(user(), called("a", name=name, arguments=arguments)))
    assert problem is not None
    assert problem[0] == (Reason.UNKNOWN_TOOL if name == "g" else Reason.CALL_PARSE_ERROR)


@pytest.mark.parametrize("schema", [{"type": "dict"}, {"type": "string"}, {"properties": {"a": {"type": "str"}}}])
def test_schemas_of_uncalled_tools_are_checked(schema: dict[str, Any]) -> None:
    problem = check_schemas(conversation(user(), said(), tools=(tool(), tool("g", schema))))
    assert problem is not None
    assert problem[0] == Reason.BAD_SCHEMA


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello", "en"),
        ("你好", "zh"),
        ("ab 你", "zh"),
        ("abc 你", "en"),
        ("12 !?", "en"),
        ("请用 Python 写一个函数", "zh"),
    ],
)
def test_language(text: str, expected: str) -> None:
    assert language(conversation(user(text))) == expected
