"""Questions of the Berkeley Function-Calling Leaderboard as conversations without an answer."""

from __future__ import annotations

from typing import Any

import pytest

from octupus.data.reasons import Reason
from octupus.data.sources import bfcl
from octupus.errors import ConversionError

AREA = {
    "name": "triangle.area",
    "description": "The area.",
    "parameters": {"type": "dict", "properties": {"base": {"type": "integer"}}, "required": ["base"]},
}


def said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def test_a_single_turn() -> None:
    value = {"id": "simple_0", "question": [[said("system", "Be brief."), said("user", "Area?")]], "function": [AREA]}
    assert bfcl.recognises(value)
    conversation = bfcl.convert(value)
    assert [(message.role, message.content) for message in conversation.messages] == [
        ("system", "Be brief."),
        ("user", "Area?"),
    ]
    assert conversation.tools[0].function.name == "triangle.area"
    assert conversation.tools[0].function.parameters == AREA["parameters"]
    assert conversation.meta == {"id": "simple_0"}


def test_several_turns_without_functions() -> None:
    question = [[said("user", "a")], [], [said("assistant", "no"), said("user", "b")]]
    conversation = bfcl.convert(
        {"id": "multi_turn_miss_func_0", "question": question, "path": ["GorillaFileSystem.ls"]}
    )
    assert [message.content for message in conversation.messages] == ["a", "b"]
    assert conversation.tools == ()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"id": "x"}, Reason.WRONG_SHAPE),
        ({"id": "x", "question": [3]}, Reason.WRONG_SHAPE),
        ({"id": "x", "question": [[3]]}, Reason.WRONG_SHAPE),
        ({"id": "x", "question": [[said("user", 3)]]}, Reason.WRONG_SHAPE),
        ({"id": "x", "question": [[]], "function": AREA}, Reason.PARSE_TOOLS),
    ],
)
def test_what_cannot_be_converted_has_a_reason(value: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(ConversionError) as caught:
        bfcl.convert(value)
    assert caught.value.reason == reason


def test_other_formats_are_not_claimed() -> None:
    assert not bfcl.recognises({"id": "x", "question": "What?"})
    assert not bfcl.recognises({"id": "x", "question": [said("user", "a")]})
    assert not bfcl.recognises({"question": [[said("user", "a")]]})
    assert not bfcl.recognises({"id": "x", "question": []})
