"""Glaive v2 rows as published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.conversation import Conversation
from octupus.data.reasons import Reason
from octupus.data.sources import glaive
from octupus.errors import ConversionError

NOTE = {"name": "note", "description": "Notes.", "parameters": {"type": "object", "properties": {"body": {}}}}
SENTENCE = "SYSTEM: You are a helpful assistant with access to the following functions. Use them if required -\n"
FRAME = f"{SENTENCE}{json.dumps(NOTE, indent=4)}\n"


def converted(chat: str, system: str = FRAME) -> Conversation:
    return glaive.convert({"system": system, "chat": chat})


def called(written: str) -> Conversation:
    return converted(f"USER: ?\n\n\nASSISTANT: {written} <|endoftext|>\n\n\n")


def reason(chat: str, system: str = FRAME) -> str:
    with pytest.raises(ConversionError) as caught:
        converted(chat, system)
    return caught.value.reason


def test_samples(shared: Callable[[str], Path]) -> None:
    lines = shared("corpora/samples/glaive_function_calling_v2_raw.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert all(map(glaive.recognises, rows))
    conversations = list(map(glaive.convert, rows))
    assert [conversation.kind for conversation in conversations] == ["single", "single", "no_call", "chat", "single"]
    arguments = [
        json.loads(call.function.arguments)
        for conversation in conversations
        for message in conversation.messages
        for call in message.tool_calls
    ]
    assert arguments == [
        {"title": "buy tea", "body": "two boxes"},
        {"title": "weather", "body": "it's raining"},
        {},
    ]
    assert [len(conversation.tools) for conversation in conversations] == [1, 1, 1, 0, 2]
    texts = [message.content or "" for conversation in conversations for message in conversation.messages]
    assert not any("<|endoftext|>" in text or "SYSTEM" in text for text in texts)
    assert not any(message.role == "system" for conversation in conversations for message in conversation.messages)


@pytest.mark.parametrize(
    ("written", "body"),
    [
        ("""<functioncall> {"name": "note", "arguments": '{"body": "it's 5 o'clock"}'}""", "it's 5 o'clock"),
        ("""<functioncall> {"name": "note", "arguments": '{"body": "'}"}'}""", "'}"),
        ("""<functioncall> {"name": "note", "arguments": '{"body": "it\\'s"}'}""", "it's"),
        ("""<functioncall> {"name": "note", "arguments": '{"body": "a\\nb"}'}""", "a\nb"),
        ("""<functioncall>{"arguments": '{"body": "x"}', "name": "note"}""", "x"),
        ("""<functioncall> {"name": "note", "arguments": {"body": "it's"}}""", "it's"),
        ("""<functioncall> {"name": "note", "arguments": "{\\"body\\": \\"it's\\"}"}""", "it's"),
        ("""<functioncall> {"name" : "note", "arguments" : '\n{"body": "x"}\n' }""", "x"),
    ],
)
def test_arguments(written: str, body: str) -> None:
    (call,) = called(written).messages[1].tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("note", {"body": body})


@given(
    arguments=st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text())),
    quote=st.sampled_from(["", "'"]),
    escaped=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_any_arguments_are_read_back(arguments: dict[str, Any], quote: str, escaped: bool) -> None:
    written = json.dumps(arguments, ensure_ascii=escaped)
    if glaive.CALL in written or glaive.END in written:
        return
    (call,) = called(f'<functioncall> {{"name": "note", "arguments": {quote}{written}{quote}}}').messages[1].tool_calls
    assert json.loads(call.function.arguments) == arguments


def test_text_around_calls_is_content_and_calls_may_be_several() -> None:
    call = """<functioncall> {"name": "note", "arguments": '{"body": "x"}'}"""
    message = called(f"I note it. {call} {call} Then.").messages[1]
    assert message.content == "I note it.\nThen."
    assert len(message.tool_calls) == 2


def test_a_turn_may_hold_blank_lines_and_speakers_names() -> None:
    chat = "USER: a\n\nb\nUSER: c\n\n\nASSISTANT: one\n\ntwo: ASSISTANT: <|endoftext|>\n\n\n"
    contents = [message.content for message in converted(chat).messages]
    assert contents == ["a\n\nb\nUSER: c", "one\n\ntwo: ASSISTANT:"]


def test_what_the_system_text_says_besides_the_frame_stays() -> None:
    chat = "USER: a\n\n\nASSISTANT: b"
    assert converted(chat, f"{FRAME}\nBe kind.").messages[0].content == "Be kind."
    assert converted(chat, "SYSTEM: Be kind.").messages[0].content == "Be kind."


@pytest.mark.parametrize(
    "written",
    [
        "<functioncall>",
        "<functioncall> note()",
        '<functioncall> {"arguments": {}}',
        """<functioncall> {"name": "note", "arguments": '{"body": "x"}'""",
        """<functioncall> {"name": "note", "arguments": '{"body": "x}'}""",
        """<functioncall> {"name": "note", "arguments": '{"body": 1, "body": 2}'}""",
        '<functioncall> {"name": "note", "arguments": [1]}',
        '<functioncall> {"name": "note", "arguments": ' + '{"a": ' * 5000,
    ],
)
def test_broken_calls(written: str) -> None:
    with pytest.raises(ConversionError) as caught:
        called(written)
    assert caught.value.reason == Reason.CALL_PARSE_ERROR


def test_reasons() -> None:
    assert reason("USER: a", f"{SENTENCE}{{") == Reason.PARSE_TOOLS
    assert reason("USER: a", SENTENCE) == Reason.PARSE_TOOLS
    assert reason("Hello. \n\n\nUSER: a") == Reason.ROLES_ERROR


def test_rows_of_other_formats_are_not_claimed() -> None:
    assert not glaive.recognises({"system": "x", "conversations": []})
    assert not glaive.recognises({"system": "x", "chat": "hello"})
    assert not glaive.recognises({"chat": "USER: a"})


def convert_or_reason(value: dict[str, Any]) -> Conversation | Reason:
    try:
        return glaive.convert(value)
    except ConversionError as error:
        return Reason(error.reason)


@given(
    chat=st.lists(
        st.sampled_from(
            [
                "\n\n\nUSER: ",
                "\n\n\nASSISTANT: ",
                "\n\n\nFUNCTION RESPONSE: ",
                "<functioncall>",
                '{"name": "note"}',
                "'",
            ]
        )
        | st.text(max_size=5)
    ).map("".join),
    system=st.text() | st.text().map(lambda tools: f"{FRAME}{tools}") | st.text().map(lambda text: f"{SENTENCE}{text}"),
)
@settings(max_examples=300, deadline=None)
def test_any_row_converts_or_has_a_reason(chat: str, system: str) -> None:
    outcome = convert_or_reason({"system": system, "chat": chat})
    if isinstance(outcome, Conversation):
        assert Conversation.from_row(outcome.to_row()).id == outcome.id
