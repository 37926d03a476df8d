"""OpenHermes 2.5, and the form with another model's answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octupus.data.checks import check_structure
from octupus.data.reasons import Reason
from octupus.data.sources import openhermes
from octupus.data.sources.reader import read_rows
from octupus.errors import ConversionError


def row(*turns: tuple[str, Any], **columns: Any) -> dict[str, Any]:
    conversations = [{"from": role, "value": value, "weight": None} for role, value in turns]
    return {"conversations": conversations, "source": None, "category": None, "system_prompt": None, **columns}


def test_turns_columns_and_weights() -> None:
    value = row(("human", "2+2?"), ("gpt", "4"), ("human", "3+3?"), ("gpt", "6"), source="airoboros", category="orca")
    value["conversations"][1]["weight"] = 0.0
    assert openhermes.recognises(value)
    conversation = openhermes.convert(value)
    assert [(message.role, message.content) for message in conversation.messages] == [
        ("user", "2+2?"),
        ("assistant", "4"),
        ("user", "3+3?"),
        ("assistant", "6"),
    ]
    assert conversation.loss == (False, False, False, True)
    assert conversation.meta == {"corpus_source": "airoboros", "category": "orca"}


def test_the_system_prompt_comes_from_its_turn_or_its_column() -> None:
    by_column = openhermes.convert(row(("human", "?"), ("gpt", "!"), system_prompt="Be brief."))
    assert [message.role for message in by_column.messages] == ["system", "user", "assistant"]
    both = openhermes.convert(row(("system", "Be long."), ("human", "?"), ("gpt", "!"), system_prompt="Be brief."))
    assert [message.content for message in both.messages] == ["Be long.", "?", "!"]
    assert both.meta == {}


def test_the_form_with_messages() -> None:
    value = {
        "conversation": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}],
        "tools": None,
        "source": "cot",
    }
    conversation = openhermes.convert(value)
    assert conversation.messages[1].content == "!"
    assert conversation.meta == {"corpus_source": "cot"}


@pytest.mark.parametrize(
    "value",
    [
        {"conversations": [{"from": "human", "value": "?"}]},
        {"conversations": [], "source": "x"},
        {"conversations": [{"from": "function_call", "value": "?"}], "source": "x"},
        {"conversations": [{"from": "human", "value": "?"}], "source": "x", "tools": "[]"},
        {"conversation": [{"role": "user", "content": "?"}], "source": "x"},
        {"conversations": "x", "source": "x"},
    ],
)
def test_other_formats_are_not_claimed(value: dict[str, Any]) -> None:
    assert not openhermes.recognises(value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, Reason.WRONG_SHAPE),
        ({"conversations": [1]}, Reason.WRONG_SHAPE),
        ({"conversations": [{"from": "human", "value": 1}]}, Reason.WRONG_SHAPE),
        ({"conversations": [{"from": "ape", "value": ""}]}, Reason.ROLES_ERROR),
    ],
)
def test_what_cannot_be_converted_has_a_reason(value: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(ConversionError) as caught:
        openhermes.convert(value)
    assert caught.value.reason == reason


def test_samples(shared: Callable[[str], Path]) -> None:
    rows = [row.value for row in read_rows(shared("corpora/samples/openhermes25.jsonl"))]
    assert all(map(openhermes.recognises, rows))
    findings = [check_structure(openhermes.convert(row)) for row in rows]
    assert [finding and finding.reason for finding in findings] == [None, None, None, None, Reason.EMPTY_USER]
    for other in read_rows(shared("corpora/samples/openhermes25_qwen_rewrite.jsonl")):
        assert check_structure(openhermes.convert(other.value)) is None
