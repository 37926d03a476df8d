"""WildChat: what is kept, what is cut, what is marked, and what must never be kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octupus.conversation import json_text
from octupus.data.reasons import Reason
from octupus.data.sources import wildchat
from octupus.data.sources.reader import read_rows
from octupus.errors import ConversionError

PRIVATE = ("hashed_ip", "header", "country", "state", "timestamp", "user-agent", "Exampleland", "conversation_hash")


def row(*contents: str | None, **columns: Any) -> dict[str, Any]:
    messages = [
        {
            "role": ("user", "assistant")[position % 2],
            "content": content,
            "country": "Exampleland",
            "hashed_ip": "00",
            "header": {"user-agent": "x"},
            "toxic": False,
            "redacted": False,
        }
        for position, content in enumerate(contents)
    ]
    given = {
        "conversation_hash": "aa",
        "model": "gpt",
        "conversation": messages,
        "language": "English",
        "openai_moderation": [{"flagged": False}],
        "detoxify_moderation": [{"toxicity": 0.01}],
        "toxic": False,
        "redacted": False,
        "country": "Exampleland",
        "hashed_ip": "00",
        "header": {"user-agent": "x"},
    }
    return {**given, **columns}


def test_a_plain_row() -> None:
    value = row("?", "!")
    assert wildchat.recognises(value)
    conversation = wildchat.convert(value)
    assert [(message.role, message.content) for message in conversation.messages] == [("user", "?"), ("assistant", "!")]
    assert conversation.meta == {"declared_language": "English", "model": "gpt", "toxic": False, "redacted": False}
    written = json_text(conversation.to_row())
    assert not [word for word in PRIVATE if word in written]


@pytest.mark.parametrize("empty", ["", " \n", None])
def test_an_empty_answer_ends_the_conversation(empty: str | None) -> None:
    conversation = wildchat.convert(row("1?", "1!", "2?", empty))
    assert [message.content for message in conversation.messages] == ["1?", "1!"]
    assert conversation.flags == ("cut_empty_assistant",)
    with pytest.raises(ConversionError) as caught:
        wildchat.convert(row("?", empty))
    assert caught.value.reason == Reason.EMPTY_ASSISTANT


@pytest.mark.parametrize(
    ("columns", "toxic"),
    [
        ({"toxic": True}, True),
        ({"openai_moderation": [{"flagged": False}, {"flagged": True}]}, True),
        ({"detoxify_moderation": [{"toxicity": 0.4}, {"toxicity": 0.9}]}, True),
        ({"detoxify_moderation": [{"toxicity": wildchat.TOXICITY_THRESHOLD}]}, False),
        ({"openai_moderation": None, "detoxify_moderation": None, "toxic": None}, False),
        ({"openai_moderation": [None, 3], "detoxify_moderation": [{"toxicity": "x"}]}, False),
    ],
)
def test_any_mark_makes_a_row_toxic(columns: dict[str, Any], toxic: bool) -> None:
    assert wildchat.convert(row("?", "!", **columns)).meta["toxic"] is toxic


def test_marks_of_single_messages_count() -> None:
    value = row("?", "!")
    value["conversation"][0] |= {"toxic": True, "redacted": True}
    meta = wildchat.convert(value).meta
    assert meta["toxic"] is meta["redacted"] is True


def test_the_bare_form_claims_nothing_about_itself() -> None:
    value = {"conversation": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]}
    assert wildchat.recognises(value)
    assert wildchat.convert(value).meta == {}


@pytest.mark.parametrize(
    "value",
    [
        {"conversation": []},
        {"conversation": [{"role": "assistant", "content": None, "tool_calls": []}]},
        {"conversation": [{"role": "user", "content": "?"}], "tools": "[]"},
        {"conversation": [{"from": "human", "value": "?"}]},
        {"messages": [{"role": "user", "content": "?"}]},
    ],
)
def test_other_formats_are_not_claimed(value: dict[str, Any]) -> None:
    assert not wildchat.recognises(value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, Reason.WRONG_SHAPE),
        ({"conversation": [1]}, Reason.WRONG_SHAPE),
        ({"conversation": [{"role": "user", "content": 1}]}, Reason.WRONG_SHAPE),
        ({"conversation": [{"role": "ape", "content": ""}]}, Reason.ROLES_ERROR),
    ],
)
def test_what_cannot_be_converted_has_a_reason(value: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(ConversionError) as caught:
        wildchat.convert(value)
    assert caught.value.reason == reason


def test_samples(shared: Callable[[str], Path]) -> None:
    rows = [row.value for row in read_rows(shared("corpora/samples/wildchat_1m.jsonl"))]
    assert all(map(wildchat.recognises, rows))
    conversations = [wildchat.convert(row) for row in rows]
    assert conversations[0].id == conversations[1].id
    assert [conversation.flags for conversation in conversations] == [(), (), ("cut_empty_assistant",), (), ()]
    assert [conversation.meta["toxic"] for conversation in conversations] == [False, False, False, True, False]
    assert conversations[4].meta["declared_language"] == "Latin"
    for other in read_rows(shared("corpora/samples/wildchat_en_zh_dedup_v2.jsonl")):
        assert wildchat.recognises(other.value)
        assert wildchat.convert(other.value).messages[-1].role == "assistant"
