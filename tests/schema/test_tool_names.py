"""Tool names made valid."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from octupus.schema import tool_names
from octupus.schema.tool_names import ToolNameCollisionError, safe_names

VALID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("get_weather-2", "get_weather-2"),
        ("_", "_"),
        ("Get Fuel Prices", "Get_Fuel_Prices"),
        ("products/list", "products_list"),
        ("career.get_path", "career_get_path"),
        (" Bank's FX/Rates (v2) ", "Bank_s_FX_Rates_v2"),
        ("Réservé à Zoë", "Reserve_a_Zoe"),
        ("ＡＢＣ", "ABC"),
        ("查询快递_Tracker", f"Tracker_{digest('查询快递_Tracker')}"),
        ("查询", f"tool_{digest('查询')}"),
        ("!?", f"tool_{digest('!?')}"),
        ("", f"tool_{digest('')}"),
        ("a" * 64, "a" * 64),
        ("a" * 65, "a" * 55 + "_" + digest("a" * 65)),
        ("a" * 54 + " b" * 9, "a" * 54 + "_" + digest("a" * 54 + " b" * 9)),
    ],
)
def test_names(name: str, safe: str) -> None:
    assert safe_names([name]) == {name: safe}


def test_of_colliding_names_the_valid_one_stays() -> None:
    assert safe_names(["a b", "a_b", "a.b"]) == {
        "a b": f"a_b_{digest('a b')}",
        "a_b": "a_b",
        "a.b": f"a_b_{digest('a.b')}",
    }


def test_of_colliding_invalid_names_the_first_in_order_stays() -> None:
    assert safe_names(["a.b", "a b"]) == {"a.b": f"a_b_{digest('a.b')}", "a b": "a_b"}


def test_a_name_that_cannot_be_told_apart_is_an_error() -> None:
    taken = f"a_b_{digest('a.b')}"
    with pytest.raises(ToolNameCollisionError, match="rename one of them") as caught:
        safe_names(["a b", "a.b", taken])
    assert (caught.value.first, caught.value.second, caught.value.name) == (taken, "a.b", taken)


names = st.text(alphabet="ab_-. é查!", max_size=6) | st.text(max_size=80)


@given(st.lists(names, max_size=8))
def test_names_are_valid_distinct_and_independent_of_order(originals: list[str]) -> None:
    try:
        safe = safe_names(originals)
    except ToolNameCollisionError:
        assume(False)
    assert set(safe) == set(originals)
    assert len(set(safe.values())) == len(safe)
    assert all(VALID.fullmatch(name) for name in safe.values())
    assert all(safe[name] == name for name in originals if VALID.fullmatch(name))
    assert safe == safe_names(originals[::-1])
    assert safe_names(list(safe.values())) == {name: name for name in safe.values()}


@given(names, st.lists(names, max_size=4))
def test_others_change_a_name_only_by_colliding(name: str, others: list[str]) -> None:
    alone = safe_names([name])[name]
    try:
        together = safe_names([name, *others])[name]
    except ToolNameCollisionError:
        assume(False)
    assert together in (alone, tool_names._with_hash(alone, name))
