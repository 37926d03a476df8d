"""How often a candidate's answers are preferred to a reference's, query by query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from octupus.agent.judge.converted import ConvertedAnswer
from octupus.agent.judge.statistics import Mean, coin, mean_of
from octupus.agent.judge.verdict import Judge, Missing

Side = Literal["candidate", "reference", "tie"]
Outcome = Literal["win", "tie", "lose"]


@dataclass(frozen=True, slots=True)
class PreferenceVote:
    """One vote on a pair."""

    preferred: Side | None
    """None when the vote is missing."""
    shown_first: Side = "tie"
    """Whose answer the judge read first; `tie` when no judge was asked."""
    reason: str = ""
    missing: str = ""


def outright(
    candidate: ConvertedAnswer | None,
    reference: ConvertedAnswer | None,
    candidate_score: float | None,
    reference_score: float | None,
) -> tuple[Side, str] | None:
    """Who is ahead without a judge, and why; None when a judge must say.

    The scores are the pass rate's by query. One that counts half, or is missing, decides nothing.
    """
    if candidate is None or reference is None:
        if candidate is reference:
            return "tie", "neither answered"
        return ("candidate", "the reference has no answer") if reference is None else ("reference", "no answer")
    if {candidate_score, reference_score} == {0.0, 1.0}:
        ahead: Side = "candidate" if candidate_score == 1.0 else "reference"
        return ahead, f"only the {ahead}'s answer passes"
    return None


def candidate_first(seed: int, query_id: str, vote: int) -> bool:
    """Whose answer is shown first: alternates from vote to vote, and a coin of the query begins.

    So a judge that favours a position favours nobody: over an even number of votes exactly, else on average.
    """
    return (vote % 2 == 0) == coin(seed, "order", query_id)


async def vote_on_pair(
    candidate: ConvertedAnswer, reference: ConvertedAnswer, judge: Judge, vote: int, seed: int
) -> PreferenceVote:
    """Cast the vote of number `vote`."""
    first = candidate_first(seed, candidate.query_id, vote)
    pair = (candidate, reference) if first else (reference, candidate)
    sides: tuple[Side, Side] = ("candidate", "reference") if first else ("reference", "candidate")
    verdict = await judge.preference(*pair, vote)
    if isinstance(verdict, Missing):
        return PreferenceVote(None, sides[0], missing=verdict.reason)
    preferred: Side = {"first": sides[0], "second": sides[1]}.get(verdict.status, "tie")
    return PreferenceVote(preferred, sides[0], verdict.reason)


@dataclass(frozen=True)
class WinRate:
    """Shares of queries that are won, tied and lost against the reference."""

    win: Mean
    tie: Mean
    lose: Mean
    outcomes: Mapping[str, Outcome]
    """By query; queries without any vote have none."""
    outright: int
    """Queries that were decided without a judge."""
    first_preferred: Mean
    """Share of the judge's votes for one side that went to the answer it read first; 50 % shows no position bias."""
    missing: int
    """Votes that are missing."""

    def to_json(self) -> dict[str, Any]:
        """For results.json."""
        shares = {"win": self.win, "tie": self.tie, "lose": self.lose, "first_preferred": self.first_preferred}
        counts = {"decided_without_judge": self.outright, "missing_votes": self.missing}
        return {**{name: share.to_json() for name, share in shares.items()}, **counts}


def win_rate(votes: Mapping[str, Sequence[PreferenceVote]]) -> WinRate:
    """The win rate over queries, each with its votes: more votes win, as many tie."""
    outcomes: dict[str, Outcome] = {}
    firsts: list[float] = []
    decided = missing = 0
    for query_id, cast in votes.items():
        counts = Counter(vote.preferred for vote in cast if vote.preferred is not None)
        missing += sum(vote.preferred is None for vote in cast)
        decided += bool(cast) and all(vote.shown_first == "tie" for vote in cast)
        firsts += [
            float(vote.preferred == vote.shown_first)
            for vote in cast
            if vote.shown_first != "tie" and vote.preferred in ("candidate", "reference")
        ]
        if counts:
            lead = counts["candidate"] - counts["reference"]
            outcomes[query_id] = "win" if lead > 0 else "lose" if lead < 0 else "tie"
    shares = {name: mean_of([float(each == name) for each in outcomes.values()]) for name in ("win", "tie", "lose")}
    return WinRate(**shares, outcomes=outcomes, outright=decided, first_preferred=mean_of(firsts), missing=missing)
