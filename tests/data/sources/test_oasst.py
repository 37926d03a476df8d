"""Open Assistant's trees as conversations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octupus.data.checks import check_structure
from octupus.data.reasons import Reason
from octupus.data.sources import oasst
from octupus.data.sources.reader import read_rows
from octupus.errors import ConversionError


def message(role: str, said: Any, *replies: dict[str, Any], **fields: Any) -> dict[str, Any]:
    given = {"role": role, "text": said, "lang": "en", "review_result": True, "deleted": False}
    return {**given, "replies": list(replies), **fields}


def prompter(said: Any, *replies: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return message("prompter", said, *replies, **fields)


def assistant(said: Any, *replies: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return message("assistant", said, *replies, **fields)


def threads(prompt: dict[str, Any]) -> list[tuple[str, str]]:
    """Each conversation as its texts and its mask."""
    return [
        (
            " ".join(str(said.content) for said in conversation.messages),
            "".join("01"[conversation.trained(position)] for position in range(len(conversation.messages))),
        )
        for conversation in oasst.convert({"message_tree_id": "t", "prompt": prompt})
    ]


def test_every_branch_is_a_conversation_and_each_answer_is_trained_once() -> None:
    tree = prompter(
        "q",
        assistant("a", prompter("a1", assistant("a1x"), assistant("a1y")), prompter("a2")),
        assistant("b", prompter("b1")),
    )
    assert threads(tree) == [("q a a1 a1x", "0101"), ("q a a1 a1y", "0001"), ("q b", "01")]


def test_what_was_deleted_or_failed_review_ends_its_branch() -> None:
    tree = prompter(
        "q",
        assistant("a", prompter("a1", assistant("a1x"), deleted=True)),
        assistant("b", prompter("b1", assistant("b1x")), review_result=False),
        assistant("c", prompter("c1", assistant("c1x", review_result=None))),
        assistant(" ", prompter("d1", assistant("d1x"))),
    )
    assert threads(tree) == [("q a", "01"), ("q c c1 c1x", "0101")]


def test_the_language_is_declared() -> None:
    (conversation,) = oasst.convert({"prompt": prompter("q", assistant("a"), lang="zh")})
    assert conversation.meta == {"declared_language": "zh"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, Reason.WRONG_SHAPE),
        ({"prompt": prompter("q", deleted=True)}, Reason.NO_ASSISTANT),
        ({"prompt": prompter("q", prompter("r"))}, Reason.NO_ASSISTANT),
        ({"prompt": prompter("q", message("system", "s"))}, Reason.ROLES_ERROR),
        ({"prompt": prompter("q", replies=3)}, Reason.WRONG_SHAPE),
        ({"prompt": prompter("q", replies=[3])}, Reason.WRONG_SHAPE),
        ({"prompt": prompter("q", assistant(3))}, Reason.WRONG_SHAPE),
    ],
)
def test_what_cannot_be_converted_has_a_reason(value: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(ConversionError) as caught:
        oasst.convert(value)
    assert caught.value.reason == reason


def test_a_tree_of_any_depth_converts() -> None:
    tree = assistant("end")
    for depth in range(20_000):
        tree = message(("prompter", "assistant")[depth % 2], str(depth), tree)
    (conversation,) = oasst.convert({"message_tree_id": "t", "prompt": tree})
    assert len(conversation.messages) == 20_001


def test_real_trees(shared: Callable[[str], Path]) -> None:
    rows = [row.value for row in read_rows(shared("corpora/oasst/en_100_tree.jsonl"))]
    assert all(map(oasst.recognises, rows))
    count = 0
    for row in rows:
        conversations = oasst.convert(row)
        count += len(conversations)
        trained = Counter[tuple[str | None, ...]]()
        for conversation in conversations:
            assert check_structure(conversation) is None
            contents = [each.content for each in conversation.messages]
            trained.update(tuple(contents[: end + 1]) for end in range(len(contents)) if conversation.trained(end))
        assert max(trained.values()) == 1
    assert (len(rows), count) == (73, 405)
