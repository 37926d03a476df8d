"""What a conversation must satisfy, each broken rule with its reason and place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from octupus.conversation import Message
from octupus.data.checks import Finding, check_calls, check_schemas, check_structure, check_tools
from octupus.data.reasons import Reason
from tests.data.dialogues import SCHEMA, called, conversation, result, said, system, tool, user


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
    ("messages", "reason", "position"),
    [
        ((), Reason.NO_ASSISTANT, None),
        ((user(),), Reason.NO_ASSISTANT, None),
        ((user(), said(), user()), Reason.ROLES_ERROR, 2),
        ((user(), called("a"), result("a")), Reason.ROLES_ERROR, 2),
        ((said(), user(), said()), Reason.ROLES_ERROR, 0),
        ((user(), said(), said()), Reason.ROLES_ERROR, 2),
        ((user(), user(), said()), Reason.ROLES_ERROR, 1),
        ((user(), system(), said()), Reason.ROLES_ERROR, 1),
        ((result("a"), said()), Reason.ROLES_ERROR, 0),
        ((user(), said(), result("a"), said()), Reason.ROLES_ERROR, 2),
        ((system(), called("a")), Reason.ROLES_ERROR, 1),
        ((user(" \n"), said()), Reason.EMPTY_USER, 0),
        ((system(""), user(), said()), Reason.EMPTY_USER, 0),
        ((user(), said(None)), Reason.EMPTY_ASSISTANT, 1),
        ((user(), said(), user(), said(" ")), Reason.EMPTY_ASSISTANT, 3),
        ((user(), called("a", "b"), result("a"), said()), Reason.TOOL_RESULT_COUNT, 1),
        ((user(), called("a"), result("a"), result("a"), said()), Reason.TOOL_RESULT_COUNT, 1),
        ((user(), called("a"), user(), said()), Reason.TOOL_RESULT_COUNT, 1),
        ((user(), called("a"), said()), Reason.TOOL_RESULT_COUNT, 1),
        ((user(), called("a"), result("b"), said()), Reason.TOOL_RESULT_COUNT, 1),
        ((user(), called("a", "b"), result("b"), result("a"), said()), Reason.TOOL_RESULT_COUNT, 1),
        ((user(), said(), user(), called("a"), result("a", ""), said()), Reason.TOOL_RESULT_COUNT, 3),
        ((user("\ud83d"), said()), Reason.LONE_SURROGATE, 0),
        ((user(), called("a", arguments='{"city": "\udc00"}')), Reason.LONE_SURROGATE, 1),
        ((user(), called("a\udc00")), Reason.LONE_SURROGATE, 1),
        ((user(), called("a"), result("a", "\udc00"), said()), Reason.LONE_SURROGATE, 2),
    ],
)
def test_broken_structure(messages: tuple[Message, ...], reason: Reason, position: int | None) -> None:
    finding = check_structure(conversation(*messages))
    assert finding is not None
    assert (finding.reason, finding.message) == (reason, position)
    assert finding.problem == (reason, finding.detail)
    finding.detail.encode("utf-8")


def test_half_characters_outside_messages() -> None:
    for described in (tool(description="\ud800"), tool(schema={"properties": {"\ud800": {}}})):
        finding = check_structure(conversation(user(), said(), tools=(tool("g"), described)))
        assert finding == Finding(None, Reason.LONE_SURROGATE, "tool 1 holds U+D800 alone")
    finding = check_structure(conversation(user(), said(), meta={"corpus_source": "\udfff"}))
    assert finding == Finding(None, Reason.LONE_SURROGATE, "what the corpus says of the row holds U+DFFF alone")


@pytest.mark.parametrize("name", ["", "a b", "a.b", "名", "x" * 65, "a\n"])
def test_invalid_tool_names(name: str) -> None:
    finding = check_structure(conversation(user(), said(), tools=(tool(name),)))
    assert finding is not None
    assert (finding.reason, finding.message) == (Reason.NAME_INVALID, None)


def test_duplicate_tool_names() -> None:
    finding = check_structure(conversation(user(), said(), tools=(tool("a"), tool("b"), tool("a"))))
    assert finding == Finding(None, Reason.NAME_DUPLICATE, "two tools are named 'a'")


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
    finding = check_schemas(conversation(user(), called("a", arguments=json.dumps(arguments))))
    assert ((finding.message, finding.reason) if finding else None) == ((1, reason) if reason else None)


@pytest.mark.parametrize("more", [{"additionalProperties": True}, {"additionalProperties": {"type": "string"}}])
def test_additional_arguments_may_be_declared(more: dict[str, Any]) -> None:
    arguments = '{"city": "Rome", "planet": "Mars"}'
    tools = (tool(schema={**SCHEMA, **more}),)
    assert check_schemas(conversation(user(), called("a", arguments=arguments), tools=tools)) is None


@pytest.mark.parametrize(("name", "arguments"), [("g", "{}"), ("f", "{")])
def test_unknown_tools_and_broken_arguments(name: str, arguments: str) -> None:
    finding = check_schemas(conversation(user(), called("a", name=name, arguments=arguments)))
    assert finding is not None
    assert (finding.message, finding.reason) == (1, Reason.UNKNOWN_TOOL if name == "g" else Reason.CALL_PARSE_ERROR)


def test_each_message_with_a_bad_call_is_found_once() -> None:
    bad = called("a", "b", arguments='{"city": 1}')
    results = (result("a"), result("b"))
    dialogue = conversation(user(), bad, *results, called("c"), result("c"), bad, *results, called("d", name="g"))
    findings = list(check_calls(dialogue))
    assert [(finding.message, finding.reason) for finding in findings] == [
        (1, Reason.SCHEMA_ERROR),
        (6, Reason.SCHEMA_ERROR),
        (9, Reason.UNKNOWN_TOOL),
    ]
    assert check_schemas(dialogue) == findings[0]


@pytest.mark.parametrize("schema", [{"type": "dict"}, {"type": "string"}, {"properties": {"a": {"type": "str"}}}])
def test_schemas_of_uncalled_tools_are_checked(schema: dict[str, Any]) -> None:
    dialogue = conversation(user(), called("a", name="h"), tools=(tool(), tool("g", schema)))
    finding = check_tools(dialogue)
    assert finding is not None
    assert (finding.reason, finding.message) == (Reason.BAD_SCHEMA, None)
    assert check_schemas(dialogue) == finding
