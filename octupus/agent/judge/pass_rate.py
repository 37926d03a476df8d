"""ToolBench's pass rate and StableToolBench's solvable pass rate (SoPR), from votes on answers.

The rules are ToolEval's (Qin et al., ToolLLM, 2023, and StableToolBench, Guo et al., 2024): an answer whose last tool
step is not `Finish` has failed; an empty answer or one that gives up is Unsolved; all else is the judge's word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from octupus.agent.judge.converted import ConvertedAnswer
from octupus.agent.judge.statistics import Mean, coin, mean_of, spread
from octupus.agent.judge.verdict import AnswerStatus, Judge, Missing, TaskStatus
from octupus.errors import EvaluationError

Ties = Literal["pass", "half", "random"]
_SOLVED: Mapping[AnswerStatus, float] = {"Solved": 1.0, "Unsure": 0.5, "Unsolved": 0.0}


@dataclass(frozen=True, slots=True)
class AnswerVote:
    """One vote on one answer."""

    answer: AnswerStatus | None
    """None when that vote is missing."""
    task: TaskStatus | None = None
    """Whether the query could be solved; None when it was not asked, or is missing."""
    failed: bool = False
    """Failed without a judge, solvable or not: no answer, or one that does not end with `Finish`."""
    reason: str = ""
    missing: str = ""
    """Why a part of the vote is missing; empty when it is whole."""

    def passed(self, flip: bool) -> bool | None:
        """Whether this vote lets the answer pass; `flip` decides where the judge is unsure. None when it is missing."""
        if self.failed:
            return False
        if self.missing:
            return None
        if self.answer == "Solved":
            return True
        if self.answer == "Unsure" or self.task == "Unsure":
            return flip
        return self.task == "Unsolvable"


async def vote_on(answer: ConvertedAnswer | None, judge: Judge, vote: int, solvability: bool) -> AnswerVote:
    """Cast the vote of number `vote`. Solvability is asked only where it can change the outcome: if unsolved."""
    if answer is None:
        return AnswerVote("Unsolved", failed=True, reason="no answer to this query")
    if not answer.finished:
        return AnswerVote("Unsolved", failed=True, reason="the last tool step is not Finish")
    status: AnswerStatus = "Unsolved"
    if answer.gave_up:
        reason = "gave up"
    elif not answer.answer_text:
        reason = "the answer is empty"
    else:
        verdict = await judge.answer_status(answer, vote)
        if not isinstance(verdict, Missing) and verdict.status == "Unsure":
            verdict = await judge.answer_status_from_steps(answer, vote)
        if isinstance(verdict, Missing):
            return AnswerVote(None, missing=verdict.reason)
        status, reason = verdict.status, verdict.reason  # type: ignore[assignment]  # the judge was asked for one
    if status != "Unsolved" or not solvability:
        return AnswerVote(status, reason=reason)
    task = await judge.task_status(answer, vote)
    if isinstance(task, Missing):
        return AnswerVote(status, reason=reason, missing=task.reason)
    return AnswerVote(status, task.status, reason=reason)  # type: ignore[arg-type]  # the judge was asked for one


@dataclass(frozen=True)
class PassRate:
    """The share of queries that pass."""

    rate: Mean
    scores: Mapping[str, float]
    """By query: 1 passes, 0 fails, 0.5 is a tie that counts half. Queries without any vote have none."""
    by_vote: Sequence[float]
    """The share that passes by the first vote alone, by the second, and so on."""
    ties: int
    flips: int
    """Votes that a coin decided, since the judge was unsure."""
    failed: int
    """Queries that failed without a judge."""
    missing: int
    """Votes that are missing."""
    statuses: Mapping[str, int]
    """How often votes said what."""

    def to_json(self) -> dict[str, Any]:
        """For results.json."""
        votes = {"by_vote": list(self.by_vote), "std_over_votes": spread(self.by_vote)}
        counts = {"ties": self.ties, "unsure_votes": self.flips, "failed_without_judge": self.failed}
        return {**self.rate.to_json(), **votes, **counts, "missing_votes": self.missing, "votes": dict(self.statuses)}


def pass_rate(votes: Mapping[str, Sequence[AnswerVote]], ties: Ties, seed: int, name: str = "") -> PassRate:
    """The pass rate over queries, each with its votes; `name` tells the coins of one candidate from another's."""
    scores: dict[str, float] = {}
    tied = flips = missing = 0
    columns: dict[int, list[float]] = {}
    statuses: Counter[str] = Counter()
    for query_id, cast in votes.items():
        outcomes = []
        for number, vote in enumerate(cast):
            passed = vote.passed(coin(seed, "unsure", name, query_id, number))
            statuses[_said(vote)] += 1
            flips += passed is not None and not vote.failed and "Unsure" in (vote.answer, vote.task)
            missing += passed is None
            if passed is not None:
                outcomes.append(passed)
                columns.setdefault(number, []).append(float(passed))
        passes = sum(outcomes)
        if not outcomes:
            continue
        is_tie = 2 * passes == len(outcomes)
        tied += is_tie
        if not is_tie:
            scores[query_id] = float(2 * passes > len(outcomes))
        elif ties == "half":
            scores[query_id] = 0.5
        else:
            scores[query_id] = float(ties == "pass" or coin(seed, "tie", name, query_id))
    return PassRate(
        rate=mean_of(list(scores.values())),
        scores=scores,
        by_vote=[sum(column) / len(column) for _, column in sorted(columns.items())],
        ties=tied,
        flips=flips,
        failed=sum(all(vote.failed for vote in cast) for cast in votes.values() if cast),
        missing=missing,
        statuses=dict(statuses.most_common()),
    )


def _said(vote: AnswerVote) -> str:
    if vote.failed:
        return "failed"
    if vote.missing:
        return "missing"
    return f"{vote.answer}, {vote.task}" if vote.task else str(vote.answer)


@dataclass(frozen=True)
class SolveRate:
    """StableToolBench's SoPR: in each run the mean of Solved 1, Unsure 0.5 and Unsolved 0."""

    runs: Sequence[float]
    rate: Mean
    """Over queries, each with its mean over runs. Its mean is that of `runs` unless votes are missing."""
    missing: int = 0
    """Votes that are missing; their queries do not count in that run."""

    @property
    def std(self) -> float:
        """The standard deviation over runs, with divisor n."""
        return spread(self.runs)

    def to_json(self) -> dict[str, Any]:
        """For results.json."""
        return {**self.rate.to_json(), "runs": list(self.runs), "std_over_runs": self.std, "missing": self.missing}


def solve_rate(votes: Mapping[str, Sequence[AnswerVote]], runs: int) -> SolveRate:
    """The SoPR of the first `runs` votes. Raises EvaluationError when a query has fewer; missing ones are counted."""
    columns: list[list[float]] = [[] for _ in range(runs)]
    means = []
    missing = 0
    for query_id, cast in votes.items():
        if len(cast) < runs:
            raise EvaluationError(f"query {query_id} has {len(cast)} votes; {runs} runs need as many")
        scores = [_SOLVED[vote.answer] if vote.answer is not None else None for vote in cast[:runs]]
        for column, score in zip(columns, scores, strict=True):
            if score is not None:
                column.append(score)
        known = [score for score in scores if score is not None]
        missing += runs - len(known)
        if known:
            means.append(sum(known) / len(known))
    return SolveRate([sum(column) / len(column) for column in columns if column], mean_of(means), missing)
