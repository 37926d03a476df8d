"""Caps per tool: independent of the order of rows, and no row dropped that a rare tool needs."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.conversation import Conversation, FunctionCall, Message, ToolCall
from octupus.data.caps import over_cap, tools_called

rows = st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=40)


def identity(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def dropped(numbers: list[int], calls: list[list[int]], cap: int) -> npt.NDArray[np.bool_]:
    """`over_cap` of the rows called by these numbers."""
    ids = np.frombuffer(b"".join(map(identity, numbers)), np.uint8).reshape(-1, 32)
    codes = np.array([code for called in calls for code in called], np.int64)
    offsets = np.cumsum([0, *map(len, calls)])
    result = over_cap(ids, codes, offsets, cap)
    np.testing.assert_array_equal(result, over_cap(ids.view("S32").ravel(), codes.astype(np.int32), offsets, cap))
    return result


@given(rows, st.integers(1, 5))
@settings(deadline=None)
def test_a_row_is_kept_while_one_of_its_tools_is_under_the_cap(calls: list[list[int]], cap: int) -> None:
    result = dropped(list(range(len(calls))), calls, cap)
    kept_before = [0] * 6
    for position in sorted(range(len(calls)), key=identity):
        spent = bool(calls[position]) and all(kept_before[tool] >= cap for tool in calls[position])
        assert result[position] == spent
        for tool in set(calls[position]) if not spent else ():
            kept_before[tool] += 1
    called_alone = [called[0] for called, out in zip(calls, result, strict=True) if len(set(called)) == 1 and not out]
    assert all(called_alone.count(tool) <= cap for tool in range(6))


@given(rows, st.integers(1, 5), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_rows_does_not_matter(calls: list[list[int]], cap: int, random: object) -> None:
    numbers = list(range(len(calls)))
    result = dropped(numbers, calls, cap)
    random.shuffle(numbers)  # type: ignore[attr-defined]
    shuffled = dropped(numbers, [calls[number] for number in numbers], cap)
    assert shuffled.tolist() == result[numbers].tolist()


def test_a_tool_called_by_all_is_kept_as_often_as_the_cap() -> None:
    result = dropped(list(range(50)), [[0, 0, 0]] * 50, 7)
    assert (~result).sum() == 7
    assert set(np.flatnonzero(~result)) == set(sorted(range(50), key=identity)[:7])


def test_rows_without_calls_are_never_dropped() -> None:
    assert not dropped([1, 2, 3], [[], [], []], 1).any()


def test_a_rare_tool_keeps_its_row() -> None:
    calls = [[0]] * 20 + [[0, tool] for tool in range(1, 11)]
    result = dropped(list(range(30)), calls, 2)
    assert not result[20:].any()


def test_the_cap_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        dropped([1], [[0]], 0)


def test_tools_called() -> None:
    def call(name: str) -> ToolCall:
        return ToolCall(id=name, function=FunctionCall(name=name, arguments="{}"))

    messages = (
        Message(role="user", content="?"),
        Message(role="assistant", tool_calls=(call("b"), call("a"), call("b"))),
        Message(role="assistant", tool_calls=(call("c"),)),
    )
    assert tools_called(Conversation(messages=messages)) == ("a", "b", "c")
    assert tools_called(Conversation(messages=messages[:1])) == ()
