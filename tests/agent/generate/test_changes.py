"""Differences of states: every one is found, and none else."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from octupus.agent.generate.changes import ANY, GONE, differences, state_sha256, unexpected

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("xyz", min_size=1, max_size=2), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES, VALUES)
def test_states_differ_where_and_only_where_they_are_other(before: Any, after: Any) -> None:
    found = list(differences({"m": before}, {"m": after}))
    assert bool(found) == (state_sha256({"m": before}) != state_sha256({"m": after}))
    assert unexpected({"m": before}, {"m": after}, dict(found)) == ""
    for place, _ in found:
        rest = {other: value for other, value in found if other != place}
        assert unexpected({"m": before}, {"m": after}, rest)


STATE: dict[str, Any] = {
    "bank": {"accounts": [{"id": "a", "cents": 5}, {"id": "b", "cents": 7}], "log": [{"n": 1}, {"n": 2}, {"n": 3}]}
}


def changed(**cents: int) -> dict[str, Any]:
    after = copy.deepcopy(STATE)
    for account in after["bank"]["accounts"]:
        account["cents"] = cents.get(account["id"], account["cents"])
    return after


def test_a_change_is_right_only_with_its_value() -> None:
    assert unexpected(STATE, changed(a=4), {"bank/accounts/0/cents": 4}) == ""
    assert "has become 4" in unexpected(STATE, changed(a=4), {"bank/accounts/0/cents": 3})
    assert unexpected(STATE, changed(a=4), {"bank/accounts/*/cents": ANY}) == ""


def test_more_or_less_than_was_meant_is_wrong() -> None:
    assert "bank/accounts/1/cents" in unexpected(STATE, changed(a=4, b=8), {"bank/accounts/0/cents": 4})
    assert "bank/accounts/1/cents" in unexpected(
        STATE, changed(a=4), {"bank/accounts/0/cents": 4, "bank/accounts/1/cents": 8}
    )
    assert unexpected(STATE, changed(a=4), {})


def test_what_is_added_and_taken_away_counts_whole() -> None:
    after = copy.deepcopy(STATE)
    after["bank"]["log"].append({"n": 4, "id": "x"})
    assert unexpected(STATE, after, {"bank/log/3": {"n": 4}}) == ""
    assert unexpected(STATE, after, {"bank/log/3": {"n": 5}})
    del after["bank"]["log"][3], after["bank"]["log"][1]
    assert unexpected(STATE, after, {"bank/log/1": GONE}) == ""
    assert unexpected(STATE, after, {"bank/log/2": GONE})


def test_true_is_not_one() -> None:
    assert list(differences({"x": 1}, {"x": True})) == [("x", True)]
    assert unexpected({"x": 0}, {"x": True}, {"x": 1})
