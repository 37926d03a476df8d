"""ToolEval's rules from votes to rates, and what a judge is and is not asked."""

import asyncio
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.agent.judge.converted import ConvertedAnswer
from octupus.agent.judge.pass_rate import AnswerVote, Ties, pass_rate, solve_rate, vote_on
from octupus.agent.judge.verdict import Missing, Verdict
from octupus.errors import EvaluationError

from .answers import answer, call

WHOLE_VOTES = st.one_of(
    st.just(AnswerVote("Unsolved", failed=True)),
    st.sampled_from([AnswerVote(status) for status in ("Solved", "Unsure", "Unsolved")]),
    st.sampled_from([AnswerVote("Unsolved", task) for task in ("Solvable", "Unsure", "Unsolvable")]),
)
MISSING = AnswerVote(None, missing="failure: connection")
TIES: tuple[Ties, ...] = ("pass", "half", "random")


class Scripted:
    """A judge that says what it is given, and keeps what it was asked."""

    def __init__(self, **said: str | None) -> None:
        self.said, self.asked = said, list[str]()

    async def answer_status(self, answer: ConvertedAnswer, vote: int) -> Verdict | Missing:
        return self._say("answer")

    async def answer_status_from_steps(self, answer: ConvertedAnswer, vote: int) -> Verdict | Missing:
        return self._say("steps")

    async def task_status(self, answer: ConvertedAnswer, vote: int) -> Verdict | Missing:
        return self._say("task")

    async def preference(self, first: ConvertedAnswer, second: ConvertedAnswer, vote: int) -> Verdict | Missing:
        raise AssertionError

    def _say(self, name: str) -> Verdict | Missing:
        self.asked.append(name)
        status = self.said[name]
        return Missing("gone") if status is None else Verdict(status)


@pytest.mark.parametrize(
    ("judged", "said", "asked", "outcome"),
    [
        (None, {}, [], (False, False)),
        (answer(finished=False), {}, [], (False, False)),
        (answer(text=None, kind="give_up_and_restart"), {"task": "Solvable"}, ["task"], (False, False)),
        (answer(text=None, kind="give_up_and_restart"), {"task": "Unsolvable"}, ["task"], (True, True)),
        (answer(text=""), {"task": "Unsure"}, ["task"], (False, True)),
        (answer(), {"answer": "Solved"}, ["answer"], (True, True)),
        (answer(), {"answer": "Unsolved", "task": "Solvable"}, ["answer", "task"], (False, False)),
        (answer(), {"answer": "Unsolved", "task": "Unsolvable"}, ["answer", "task"], (True, True)),
        (answer(), {"answer": "Unsure", "steps": "Solved"}, ["answer", "steps"], (True, True)),
        (answer(), {"answer": "Unsure", "steps": "Unsure"}, ["answer", "steps"], (False, True)),
        (
            answer(),
            {"answer": "Unsure", "steps": "Unsolved", "task": "Solvable"},
            ["answer", "steps", "task"],
            (False,) * 2,
        ),
        (answer(), {"answer": None}, ["answer"], (None, None)),
        (answer(), {"answer": "Unsure", "steps": None}, ["answer", "steps"], (None, None)),
        (answer(), {"answer": "Unsolved", "task": None}, ["answer", "task"], (None, None)),
    ],
)
def test_the_rules(
    judged: ConvertedAnswer | None, said: dict[str, str | None], asked: list[str], outcome: tuple[bool | None, ...]
) -> None:
    judge = Scripted(**said)
    vote = asyncio.run(vote_on(judged, judge, 0, solvability=True))
    assert judge.asked == asked
    assert (vote.passed(False), vote.passed(True)) == outcome


def test_without_solvability_unsolved_fails_and_nobody_is_asked() -> None:
    judge = Scripted(answer="Unsolved")
    assert asyncio.run(vote_on(answer(), judge, 0, solvability=False)).passed(True) is False
    assert judge.asked == ["answer"]


def test_an_assistant_message_after_finish_changes_nothing_but_another_call_does() -> None:
    assert answer(calls=(call("Finish", {}),), finished=False).finished
    assert not answer(calls=(call("Finish", {}), call("look", {})), finished=False).finished


def test_ties_and_their_three_ways() -> None:
    votes = {"won": [AnswerVote("Solved")] * 3 + [AnswerVote("Unsolved")]}
    votes |= {"lost": [AnswerVote("Unsolved")] * 3 + [AnswerVote("Solved")]}
    votes |= {f"tie {number}": [AnswerVote("Solved"), AnswerVote("Unsolved")] * 2 for number in range(400)}
    rates = {ties: pass_rate(votes, ties, 0) for ties in TIES}
    assert all(rate.ties == 400 and rate.scores["won"] == 1 and rate.scores["lost"] == 0 for rate in rates.values())
    assert rates["pass"].rate.mean == pytest.approx(401 / 402)
    assert rates["half"].rate.mean == pytest.approx(0.5)
    assert 0.4 < (rates["random"].rate.mean or 0) < 0.6
    assert rates["random"].scores == pass_rate(votes, "random", 0).scores != pass_rate(votes, "random", 1).scores


def test_coins_of_unsure_votes_follow_from_the_seed_and_are_fair() -> None:
    votes = {str(number): [AnswerVote("Unsure")] for number in range(1000)}
    rate = pass_rate(votes, "pass", 5)
    assert rate.flips == 1000
    assert 0.45 < (rate.rate.mean or 0) < 0.55
    assert rate.scores == pass_rate(votes, "pass", 5).scores
    assert rate.scores != pass_rate(votes, "pass", 5, "another").scores


def test_missing_votes_never_count_as_any_status() -> None:
    votes = {"1": [AnswerVote("Solved"), MISSING, MISSING], "2": [MISSING] * 3}
    rate = pass_rate(votes, "pass", 0)
    assert (rate.scores, rate.missing, rate.rate.n) == ({"1": 1.0}, 5, 1)
    solved = solve_rate(votes, 3)
    assert (solved.runs, solved.missing, solved.rate.mean, solved.rate.n) == ([1.0], 5, 1.0, 1)


@given(
    st.dictionaries(st.text(max_size=4), st.lists(WHOLE_VOTES, min_size=4, max_size=4), min_size=1), st.integers(0, 9)
)
def test_rates_agree_with_a_plain_count(votes: dict[str, list[AnswerVote]], seed: int) -> None:
    by_ties = {ties: pass_rate(votes, ties, seed).rate for ties in TIES}
    assert (by_ties["pass"].mean or 0) >= (by_ties["half"].mean or 0)
    p = by_ties["pass"].mean or 0.0
    assert by_ties["pass"].standard_error == pytest.approx((p * (1 - p) / len(votes)) ** 0.5)
    rate = pass_rate(votes, "pass", seed)
    assert sum(rate.statuses.values()) == 4 * len(votes)
    if not rate.flips:
        passing = [sum(bool(vote.passed(False)) for vote in cast) for cast in votes.values()]
        assert p == pytest.approx(sum(count >= 2 for count in passing) / len(votes))
        by_vote = [sum(bool(cast[number].passed(False)) for cast in votes.values()) / len(votes) for number in range(4)]
        assert rate.by_vote == pytest.approx(by_vote)


@given(st.dictionaries(st.text(max_size=4), st.lists(WHOLE_VOTES, min_size=3, max_size=5), min_size=1))
def test_sopr_is_the_mean_over_runs_of_means_over_queries(votes: dict[str, list[AnswerVote]]) -> None:
    worth = {"Solved": 1, "Unsure": 0.5, "Unsolved": 0}
    runs = [sum(worth[str(cast[run].answer)] for cast in votes.values()) / len(votes) for run in range(3)]
    solved = solve_rate(votes, 3)
    mean = sum(runs) / 3
    assert solved.runs == pytest.approx(runs)
    assert solved.rate.mean == pytest.approx(mean)
    assert solved.std == pytest.approx((sum((run - mean) ** 2 for run in runs) / 3) ** 0.5)


def test_too_few_votes_for_the_runs_are_refused() -> None:
    with pytest.raises(EvaluationError, match="query 1 has 2 votes; 3 runs"):
        solve_rate({"1": [AnswerVote("Solved")] * 2}, 3)


def test_the_standard_error_is_what_repeated_sampling_gives() -> None:
    draws = random.Random(0)
    means = []
    for _ in range(400):
        votes = {str(number): [AnswerVote("Solved" if draws.random() < 0.3 else "Unsolved")] for number in range(100)}
        means.append(pass_rate(votes, "pass", 0).rate.mean or 0.0)
    middle = sum(means) / len(means)
    scatter = (sum((mean - middle) ** 2 for mean in means) / len(means)) ** 0.5
    assert scatter == pytest.approx((0.3 * 0.7 / 100) ** 0.5, rel=0.15)


def test_every_kind_of_vote_is_decided_or_missing() -> None:
    for status, task in itertools.product(("Solved", "Unsure", "Unsolved"), (None, "Solvable", "Unsure", "Unsolvable")):
        vote = AnswerVote(status, task)  # type: ignore[arg-type]
        assert isinstance(vote.passed(True), bool)
