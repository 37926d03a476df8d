"""Python and JSON literals, also mixed, in bounded time and depth."""

from __future__ import annotations

import contextlib
import json
import math
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.data.sources.literals import MAXIMUM_DEPTH, LiteralError, parse_literal, parse_whole_literal

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


def same(left: Any, right: Any) -> bool:
    """Equal with types: True is not 1, and 1 is not 1.0."""
    return json.dumps(left) == json.dumps(right)


@given(value=values, before=st.text(), after=st.sampled_from(["", ",", ")", " ]", "\n</tool_call>"]))
@settings(max_examples=200, deadline=None)
def test_what_python_and_json_write_is_read_back(value: Any, before: str, after: str) -> None:
    for written in (repr(value), json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1), ascii(value)):
        read, end = parse_literal(before + written + after, len(before))
        assert same(read, value)
        assert end == len(before) + len(written)


def place_of_error(text: str) -> int:
    """Where the text is refused; its length when it is read as something that JSON can hold."""
    try:
        json.dumps(parse_whole_literal(text), allow_nan=False)
    except LiteralError as error:
        return error.position
    return len(text)


@given(text=st.text() | st.text(alphabet="{}[]()'\"\\,:x1.eTrue \n"))
@settings(max_examples=500, deadline=None)
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    assert 0 <= place_of_error(text) <= len(text)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("'it''s ok'", "its ok"),
        ("'a' \"b\"\n'''c'd'''", "abc'd"),
        ('"""say "hi"."""', 'say "hi".'),
        (r"'\x41\u00e9\U0001F600\101\N{BULLET}\'\"\\\/\d\a'", "Aé😀A•'\"\\/\\d\a"),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\ud83d"', "\ud83d"),
        ("'two\nlines'", "two\nlines"),
        ("'joined \\\nlines'", "joined lines"),
        ("{'a': True, \"b\": null, 'c': (1, 2), 'd': (3,), 'e': (4), 'f': (), }", None),
        ("{1: 'a', None: 'b', False: 'c', 1.5: 'd'}", {"1": "a", "null": "b", "false": "c", "1.5": "d"}),
        (" [-1, +2, .5, 5., 1e-3, 1E3, -0.0] ", [-1, 2, 0.5, 5.0, 0.001, 1000.0, -0.0]),
        ("[[], {}, '']", [[], {}, ""]),
    ],
)
def test_single_forms(written: str, value: Any) -> None:
    if value is None:
        value = {"a": True, "b": None, "c": [1, 2], "d": [3], "e": 4, "f": []}
    assert same(parse_whole_literal(written), value)


@pytest.mark.parametrize(
    ("written", "position"),
    [
        ("", 0),
        ("  ", 2),
        ("NaN", 0),
        ("[Infinity]", 1),
        ("-inf", 0),
        ("1e999", 0),
        ("9" * 5000, 0),
        ("007", 0),
        ("1_000", 0),
        ("0x10", 0),
        ("1j", 0),
        ("12a", 0),
        ("Truely", 0),
        ("name", 0),
        ("f(1)", 0),
        ("__import__('os')", 0),
        ("b'x'", 0),
        ("f'{x}'", 0),
        ("'abc", 0),
        ("'abc\\", 4),
        (r"'\xg1'", 1),
        (r"'\u12'", 1),
        (r"'\U00110000'", 1),
        (r"'\N{NO SUCH NAME}'", 1),
        ("[1 2]", 3),
        ("[1", 2),
        ("[,]", 1),
        ("(,)", 1),
        ("{1, 2}", 2),
        ("{'a' 1}", 5),
        ("{'a': }", 6),
        ("{[1]: 2}", 1),
        ("{'a': 1, 'a': 2}", 9),
        ("{1: 1, '1': 2}", 7),
        ("1 + 2", 2),
        ("[x for x in y]", 1),
    ],
)
def test_what_is_no_literal_is_refused(written: str, position: int) -> None:
    with pytest.raises(LiteralError) as caught:
        parse_whole_literal(written)
    assert caught.value.position == position
    assert str(caught.value).endswith(f"at character {position}")


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("(", ",)"), ("{'a': ", "}")])
def test_depth_is_bounded(opening: str, closing: str) -> None:
    inner = MAXIMUM_DEPTH - 1
    parse_whole_literal(opening * inner + "1" + closing * inner)
    for depth in (MAXIMUM_DEPTH, 100_000):
        with pytest.raises(LiteralError, match="nested too deeply"):
            parse_whole_literal(opening * depth + "1" + closing * depth)


@pytest.mark.parametrize(
    "written", ["'" * 100_001, "'a'" * 50_000, '"' + "\\" * 100_001, "[" + "1," * 50_000, "(" * 100]
)
def test_long_text_takes_linear_time(written: str) -> None:
    started = time.monotonic()
    with contextlib.suppress(LiteralError):
        parse_whole_literal(written)
    assert time.monotonic() - started < 2


def test_signs_of_zero_stay() -> None:
    assert math.copysign(1, parse_whole_literal("-0.0")) == -1
