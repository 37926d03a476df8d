"""ToolACE's calls: names of any kind, arguments of any name, values as Python or JSON."""

from __future__ import annotations

import contextlib
import json
import keyword
import time
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from octupus.data.sources.call_strings import CallStringError, parse_calls
from octupus.data.sources.turns import Call

NAMES = ["getTide", "Ferry Timetable API", "Bank's FX/Rates (v2)", "lab.mix", "lab.mix.plan", "查询快递_Tracker"]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
tool_names = st.sampled_from(NAMES) | st.text(min_size=1, max_size=20).filter(lambda name: name == name.strip() != "")
argument_names = (
    st.sampled_from([*keyword.kwlist, "as-of", "7SN.pj", "单号", "filter[name]", "start date", "$top", "driver's age"])
    | st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,10}", fullmatch=True)
    | st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
)
calls = st.tuples(tool_names, st.dictionaries(argument_names, values, max_size=4))


def rendered(name: str, arguments: dict[str, Any], write: Any) -> str:
    return f"{name}({', '.join(f'{key}={write(value)}' for key, value in arguments.items())})"


def write_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@given(made=st.lists(calls, min_size=1, max_size=4), others=st.lists(tool_names, max_size=3), data=st.data())
@settings(max_examples=150, deadline=None)
def test_rendered_calls_are_read_back(made: list[tuple[str, Any]], others: list[str], data: st.DataObject) -> None:
    names = {name for name, _ in made} | set(others)
    # "f" and "f(x" can be offered together, but then no one could tell which of them is called.
    assume(not any(name != other and name.startswith(other) and "(" in name for name in names for other in names))
    writers = st.sampled_from([repr, write_json, json.dumps])
    text = ", ".join(rendered(name, arguments, data.draw(writers)) for name, arguments in made)
    read = parse_calls(f"[{text}]", names)
    assert read is not None
    assert [(call.name, json.dumps(call.arguments)) for call in read] == [
        (name, json.dumps(arguments)) for name, arguments in made
    ]


def calls_or_place(text: str) -> tuple[Call, ...] | int | None:
    try:
        return parse_calls(text, NAMES)
    except CallStringError as error:
        return error.position


@given(text=st.text() | st.text(alphabet="[]()=,'\"getTide 1\n"))
@settings(max_examples=500, deadline=None)
def test_any_text_is_calls_text_or_an_error(text: str) -> None:
    outcome = calls_or_place(text)
    if isinstance(outcome, int):
        assert 0 <= outcome <= len(text)
    else:
        assert outcome is None or all(isinstance(call, Call) for call in outcome)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[getTide()]", [("getTide", {})]),
        (" [ getTide ( port = 'Oban' , ) , getTide() ]\n", [("getTide", {"port": "Oban"}), ("getTide", {})]),
        ('[Bank\'s FX/Rates (v2)(from="EUR", as-of=None)]', [("Bank's FX/Rates (v2)", {"from": "EUR", "as-of": None})]),
        ("[lab.mix.plan(code='main()', note=\")]\")]", [("lab.mix.plan", {"code": "main()", "note": ")]"})]),
        ("[lab.mix(a=1)]", [("lab.mix", {"a": 1})]),
        ("[lab.mix.run(a=1), getTide()]", [("lab.mix.run", {"a": 1}), ("getTide", {})]),
        ("[Other (v3)(from=1)]", [("Other (v3)", {"from": 1})]),
        ("[other()]", [("other", {})]),
        ("[getTide(q='a=b, c=(d)')]", [("getTide", {"q": "a=b, c=(d)"})]),
    ],
)
def test_calls(text: str, expected: list[tuple[str, dict[str, Any]]]) -> None:
    read = parse_calls(text, NAMES)
    assert read is not None
    assert [(call.name, call.arguments) for call in read] == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Which port?",
        "[Note] No tool can do this [out of scope]",
        "[Note: no tool (of these) fits]",
        "[1, 2, 3]",
        '[{"a": "b"}]',
        "[Get Tide](http://example.org/x)",
        "[see f() for more]",
        "The tool getTide needs a port.",
        "x = f(a=1)",
    ],
)
def test_text(text: str) -> None:
    assert parse_calls(text, NAMES) is None


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("[]", "no calls", 0),
        ("[ ]", "no calls", 0),
        ("[getTide(port=Oban)]", "expected a literal", 14),
        ("[getTide(day=2024-01-01)]", "expected ',' or '\\)'", 17),
        ("[getTide(day=1 2)]", "expected ',' or '\\)'", 15),
        ("[getTide('Oban')]", "expected an argument", 9),
        ("[getTide(port='Oban)]", "does not end", 14),
        ("[getTide(port='Oban'", "expected ',' or '\\)'", 20),
        ("[getTide(port='Oban')", "expected ',' or '\\]'", 21),
        ("[getTide(a=1, a=2)]", "written twice", 14),
        ("[getTide(a=1)] It is high.", "behind the calls", 14),
        ("[getTide(a=1), It is high.]", "expected a call", 14),
        ("[getTide(**{'a': 1})]", "expected an argument", 9),
        ("[other(port='Oban]", "does not end", 12),
        ("getTide(port='Oban')", "inside a text", 0),
        ("I look: [getTide(port='Oban')]", "inside a text", 9),
        ("[Note] then [lab.mix(a=1)]", "inside a text", 13),
    ],
)
def test_broken_calls(text: str, message: str, position: int) -> None:
    with pytest.raises(CallStringError, match=message) as caught:
        parse_calls(text, NAMES)
    assert caught.value.position == position


def test_the_longest_known_name_wins() -> None:
    read = parse_calls("[f (x)(a=1)]", ["f", "f (x)"])
    assert read == (Call("f (x)", {"a": 1}),)


def test_blanks_around_a_defined_name_do_not_matter() -> None:
    assert parse_calls("[Get Tide(a=1)]", [" Get Tide ", " "]) == (Call(" Get Tide ", {"a": 1}),)


@pytest.mark.parametrize(
    "text", ["[" * 20_000, "[a" + " " * 20_000, "[getTide(a" + " " * 50_000, "[a(" * 10_000, "[" + "(a" * 10_000]
)
def test_long_text_takes_little_time(text: str) -> None:
    started = time.monotonic()
    with contextlib.suppress(CallStringError):
        parse_calls(text, NAMES)
    assert time.monotonic() - started < 2
