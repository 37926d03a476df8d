"""Links into results: what they point to, and what they refuse to guess."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.agent.generate.links import LinkError, call, links, resolved

RECORDS = [{"id": "a", "price": 3, "city": "Rome"}, {"id": "b", "price": 1, "city": "Oslo"}]


def test_links_are_followed_at_any_depth_of_an_argument() -> None:
    made = call("search")
    argument = {"to": [made["found"].where(city="Rome")["id"]], "least": made["found"].least("price")["id"], "n": 3}
    assert resolved(argument, {made: {"found": RECORDS}}) == {"to": ["a"], "least": "b", "n": 3}
    assert [link.call for link in links(argument)] == [made, made]


def test_two_equal_calls_are_two() -> None:
    first, second = call("read", id=1), call("read", id=1)
    assert resolved([first["x"], second["x"]], {first: {"x": 1}, second: {"x": 2}}) == [1, 2]


def test_what_is_not_there_or_is_not_one_is_an_error() -> None:
    made = call("search")
    results = {made: {"found": RECORDS, "same": [{"price": 1}, {"price": 1}], "texts": ["x"]}}
    for link in (
        made["missing"],
        made["found"][2],
        made["found"]["id"],
        made["found"].where(city="Bonn"),
        made["same"].least("price"),
        made["found"].greatest("city"),
        made["texts"].where(city="Rome"),
        call("never")["id"],
    ):
        with pytest.raises(LinkError):
            resolved(link, results)


@given(st.lists(st.integers(), unique=True, min_size=1))
def test_extremes_are_those_of_the_numbers(numbers: list[int]) -> None:
    made = call("search")
    results = {made: [{"n": number} for number in numbers]}
    assert resolved(made.result.least("n")["n"], results) == min(numbers)
    assert resolved(made.result.greatest("n")["n"], results) == max(numbers)
