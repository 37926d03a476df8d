from fractions import Fraction
from itertools import islice
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from octupus.decoding.closing.numbers import NumberRange, exact, number_text

BOUNDS = st.integers(-300, 300) | st.decimals(-20, 20, places=2).map(float)


@st.composite
def ranges(draw: st.DrawFn) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": draw(st.sampled_from(["integer", "number"]))}
    for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        if draw(st.booleans()) and not (schema["type"] == "integer" and keyword.startswith("exclusive")):
            schema[keyword] = draw(BOUNDS)
    if draw(st.booleans()):
        schema["multipleOf"] = draw(st.sampled_from([1, 3, 7, 25, 0.5, 0.25, 0.01, 1.5]))
    return schema


@settings(max_examples=100, deadline=None)
@given(ranges(), st.from_regex(r"\A-?(0|[1-9][0-9]{0,3})(\.[0-9]{0,2})?\Z"))
def test_a_number_that_can_be_ended_is_ended_within_the_bound(schema: dict[str, Any], text: str) -> None:
    numbers = NumberRange(schema)
    assume("." not in text or not numbers.integer)
    for prefix in (text, text[:1]):
        for ending in islice(numbers.endings(prefix), 5):
            whole = Fraction(prefix + ending)
            assert numbers.admits(whole)
            assert len(ending) <= numbers.farthest
    admitted = not text.endswith(".") and numbers.admits(Fraction(text))
    if admitted:
        # A number that is admitted proves that each of its prefixes can be ended.
        assert all(next(numbers.endings(text[:size]), None) is not None for size in range(1, len(text) + 1))
        assert numbers.smallest() is not None
    smallest = numbers.smallest()
    assert smallest is None or numbers.admits(Fraction(smallest))


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_written_exactly_and_without_an_exponent(number: float) -> None:
    text = number_text(number)
    assert "e" not in text
    assert Fraction(text) == exact(number)
