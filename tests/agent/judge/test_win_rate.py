"""Preferences: what is decided without a judge, position bias that cancels, and the shares."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.agent.judge.statistics import coin
from octupus.agent.judge.verdict import Missing, Verdict
from octupus.agent.judge.win_rate import PreferenceVote, candidate_first, outright, vote_on_pair, win_rate

from .answers import answer

MINE, THEIRS = answer(text="mine"), answer(text="theirs")


class Preferring:
    """A judge of which only preferences are asked."""

    def __init__(self, choose: Any) -> None:
        self.choose = choose

    async def preference(self, first: Any, second: Any, vote: int) -> Verdict | Missing:
        said = self.choose(first.answer_text, second.answer_text)
        return Missing("gone") if said is None else Verdict(said)

    async def _other(self, *arguments: Any) -> Verdict | Missing:
        raise AssertionError

    answer_status = answer_status_from_steps = task_status = _other


def cast(choose: Any, count: int, seed: int = 0) -> list[PreferenceVote]:
    async def all_of_them() -> list[PreferenceVote]:
        return [await vote_on_pair(MINE, THEIRS, Preferring(choose), vote, seed) for vote in range(count)]

    return asyncio.run(all_of_them())


@pytest.mark.parametrize(
    ("candidate", "reference", "scores", "side"),
    [
        (MINE, THEIRS, (1.0, 0.0), "candidate"),
        (MINE, THEIRS, (0.0, 1.0), "reference"),
        (None, THEIRS, (0.0, 0.0), "reference"),
        (MINE, None, (0.0, 0.0), "candidate"),
        (None, None, (0.0, 0.0), "tie"),
        (MINE, THEIRS, (1.0, 1.0), None),
        (MINE, THEIRS, (0.0, 0.0), None),
        (MINE, THEIRS, (0.5, 0.0), None),
        (MINE, THEIRS, (1.0, 0.5), None),
        (MINE, THEIRS, (None, 1.0), None),
    ],
)
def test_what_needs_no_judge(candidate: Any, reference: Any, scores: tuple[Any, Any], side: str | None) -> None:
    found = outright(candidate, reference, *scores)
    assert (found[0] if found else None) == side


@given(st.integers(0, 50), st.sampled_from([2, 4, 6]))
def test_a_judge_that_always_takes_the_first_decides_nothing(seed: int, votes: int) -> None:
    rate = win_rate({"1": cast(lambda first, second: "first", votes, seed)})
    assert (rate.outcomes, rate.first_preferred.mean) == ({"1": "tie"}, 1.0)


@given(st.integers(0, 50), st.integers(1, 5))
def test_a_judge_that_looks_at_the_text_is_followed_wherever_it_stands(seed: int, votes: int) -> None:
    rate = win_rate({"1": cast(lambda first, second: "first" if first == "mine" else "second", votes, seed)})
    assert rate.outcomes == {"1": "win"}


def test_over_queries_each_side_begins_about_as_often() -> None:
    firsts = [candidate_first(0, str(number), 0) for number in range(1000)]
    assert 450 < sum(firsts) < 550
    assert all(candidate_first(0, "q", vote) != candidate_first(0, "q", vote + 1) for vote in range(5))


@given(
    st.dictionaries(
        st.text(max_size=3), st.lists(st.sampled_from(["candidate", "reference", "tie", None]), max_size=4), min_size=1
    )
)
def test_shares_are_those_of_a_plain_count(said: dict[str, list[Any]]) -> None:
    rate = win_rate({query: [PreferenceVote(side, "candidate") for side in sides] for query, sides in said.items()})
    judged = [[side for side in sides if side] for sides in said.values()]
    leads = [sides.count("candidate") - sides.count("reference") for sides in judged if sides]
    assert rate.missing == sum(side is None for sides in said.values() for side in sides)
    assert rate.win.n == len(leads)
    if leads:
        win = sum(lead > 0 for lead in leads) / len(leads)
        assert rate.win.mean == pytest.approx(win)
        assert rate.tie.mean == pytest.approx(leads.count(0) / len(leads))
        assert (rate.win.mean or 0) + (rate.tie.mean or 0) + (rate.lose.mean or 0) == pytest.approx(1)
        assert rate.win.standard_error == pytest.approx((win * (1 - win) / len(leads)) ** 0.5)


def test_a_missing_vote_is_no_tie() -> None:
    assert win_rate({"1": cast(lambda first, second: None, 4)}).outcomes == {}


def test_coins_are_fair_and_independent_of_one_another() -> None:
    sides = [(coin(0, "a", number), coin(0, "b", number)) for number in range(2000)]
    for pair in ((True, True), (True, False), (False, True), (False, False)):
        assert 430 < sides.count(pair) < 570
