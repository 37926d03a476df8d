"""All that an evaluation has found, and its form in results.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from octupus.agent.judge.config import EvaluateToolbenchConfig
from octupus.agent.judge.converted import ConvertedAnswer
from octupus.agent.judge.hallucination import Hallucinations, hallucinations
from octupus.agent.judge.pass_rate import AnswerVote, PassRate, SolveRate, pass_rate, solve_rate
from octupus.agent.judge.win_rate import PreferenceVote, WinRate, win_rate

AnswerVotes = Mapping[str, Sequence[AnswerVote]]
"""Votes by query."""
PreferenceVotes = Mapping[str, Sequence[PreferenceVote]]
"""Votes by query."""


@dataclass(frozen=True)
class Candidate:
    """One candidate's answers and scores."""

    name: str
    answers: Mapping[str, ConvertedAnswer]
    """By query, of the queries that count."""
    votes: AnswerVotes
    """Of every query that counts, answered or not."""
    pass_rate: PassRate
    solve_rate: SolveRate
    hallucinations: Hallucinations
    preferences: PreferenceVotes | None = None
    """Against the reference; None for itself, or without one."""

    @classmethod
    def of(
        cls, name: str, answers: Mapping[str, ConvertedAnswer], votes: AnswerVotes, config: EvaluateToolbenchConfig
    ) -> Candidate:
        """The candidate with all that follows from its votes, except its win rate."""
        counted = {query_id: cast[: config.cast_votes] for query_id, cast in votes.items()}
        return cls(
            name=name,
            answers=answers,
            votes=votes,
            pass_rate=pass_rate(counted, config.ties, config.seed, name),
            solve_rate=solve_rate(votes, config.cast_runs),
            hallucinations=hallucinations(answers.values()),
        )

    @property
    def unanswered(self) -> int:
        """Queries that count and have no answer."""
        return len(self.votes) - len(self.answers)

    @property
    def win_rate(self) -> WinRate | None:
        """Against the reference."""
        return None if self.preferences is None else win_rate(self.preferences)

    def missing(self) -> Iterator[str]:
        """Why votes are missing, once for each."""
        yield from (vote.missing for cast in self.votes.values() for vote in cast if vote.missing)
        yield from (vote.missing for cast in (self.preferences or {}).values() for vote in cast if vote.missing)

    def to_json(self) -> dict[str, Any]:
        """What results.json holds of it."""
        won = self.win_rate
        return {
            "answers": len(self.answers),
            "unanswered": self.unanswered,
            "methods": dict(Counter(answer.method for answer in self.answers.values())),
            "pass_rate": self.pass_rate.to_json(),
            "sopr": self.solve_rate.to_json(),
            "win_rate": won.to_json() if won else None,
            "hallucination": self.hallucinations.to_json(),
            "queries": {query_id: self._query(query_id, won) for query_id in self.votes},
        }

    def _query(self, query_id: str, won: WinRate | None) -> dict[str, Any]:
        value: dict[str, Any] = {
            "score": self.pass_rate.scores.get(query_id),
            "votes": [_plain(vote) for vote in self.votes[query_id]],
        }
        if won is not None and self.preferences is not None:
            value["outcome"] = won.outcomes.get(query_id)
            value["preferences"] = [_plain(vote) for vote in self.preferences.get(query_id, ())]
        return value


@dataclass(frozen=True)
class Results:
    """The candidates in the configuration's order."""

    config: EvaluateToolbenchConfig
    candidates: Sequence[Candidate]
    replies: Mapping[str, int]
    """The judge's replies by kind, and its tokens, of all runs together; empty for rules."""

    @property
    def missing(self) -> Counter[str]:
        """Votes that are missing, by reason."""
        return Counter(reason for candidate in self.candidates for reason in candidate.missing())

    def to_json(self) -> dict[str, Any]:
        """What results.json holds."""
        config = self.config
        value = {
            "judge": config.judge,
            "model": config.model or None,
            "reference": config.reference,
            "votes": config.cast_votes,
            "runs": config.cast_runs,
            "ties": config.ties,
            "solvability": config.solvability,
            "seed": config.seed,
            "queries": len(self.candidates[0].votes),
            "missing_votes": dict(self.missing.most_common()),
            "judge_replies": dict(self.replies),
            "candidates": {candidate.name: candidate.to_json() for candidate in self.candidates},
        }
        return dict(_encodable(value))


def _plain(vote: AnswerVote | PreferenceVote) -> dict[str, Any]:
    """The vote without what is as usual."""
    return {name: value for name, value in asdict(vote).items() if value not in ("", None, False)}


def _encodable(value: Any) -> Any:
    """Judges and foreign files may hold half characters, which no file can."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_encodable(name): _encodable(member) for name, member in value.items()}
    return [_encodable(member) for member in value] if isinstance(value, list) else value
