"""Reads the result files that StableToolBench's ToolEval writes, so that its votes can be counted again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from octupus.agent.judge.converted import load_json
from octupus.agent.judge.pass_rate import AnswerVote
from octupus.agent.judge.verdict import AnswerStatus
from octupus.agent.judge.win_rate import PreferenceVote
from octupus.errors import EvaluationError

_STATUSES: Mapping[str, AnswerStatus] = {f"AnswerStatus.{status}": status for status in get_args(AnswerStatus)}


def read_answer_votes(path: Path) -> dict[str, list[AnswerVote]]:
    """The votes of a pass rate file by query: {query id: {..., is_solved: {run: "AnswerStatus.Solved"}}}.

    A run that the file leaves out is a missing vote. The file does not keep whether a query could be solved, so
    unsolved ones fail. Raises EvaluationError naming the query that cannot be read.
    """
    runs = {query_id: _runs(path, query_id, entry) for query_id, entry in _queries(path).items()}
    count = max((max(votes, default=-1) + 1 for votes in runs.values()), default=0)
    return {
        query_id: [
            AnswerVote(votes[run]) if run in votes else AnswerVote(None, missing=f"{path} has no run {run}")
            for run in range(count)
        ]
        for query_id, votes in runs.items()
    }


def read_preference_votes(path: Path, candidate: str, reference: str) -> dict[str, list[PreferenceVote]]:
    """The votes of a preference file by query: {query id: {candidate: votes, reference: votes, round_i: state}}.

    Rounds that went to neither are ties. Raises EvaluationError when a query lacks one of the two names.
    """
    votes: dict[str, list[PreferenceVote]] = {}
    for query_id, entry in _queries(path).items():
        counts = {}
        for name in (candidate, reference):
            count = entry.get(name)
            if not isinstance(count, int) or isinstance(count, bool) or count < 0:
                raise EvaluationError(f"{path}: query {query_id} has no count of votes for {name!r}")
            counts[name] = count
        rounds = sum(name.startswith("round_") for name in entry)
        ties = max(0, rounds - sum(counts.values()))
        votes[query_id] = [
            *[PreferenceVote("candidate")] * counts[candidate],
            *[PreferenceVote("reference")] * counts[reference],
            *[PreferenceVote("tie")] * ties,
        ]
    return votes


def _queries(path: Path) -> dict[str, dict[str, Any]]:
    value = load_json(path)
    if not isinstance(value, dict) or not all(isinstance(entry, dict) for entry in value.values()):
        raise EvaluationError(f"{path} holds no object of results by query id")
    return value


def _runs(path: Path, query_id: str, entry: Mapping[str, Any]) -> dict[int, AnswerStatus]:
    solved = entry.get("is_solved")
    if not isinstance(solved, dict):
        raise EvaluationError(f"{path}: query {query_id} has no is_solved by run")
    runs: dict[int, AnswerStatus] = {}
    for run, status in solved.items():
        if not run.isdecimal() or status not in _STATUSES:
            raise EvaluationError(f"{path}: query {query_id}: is_solved[{run}] is {status!r}, which is no verdict")
        runs[int(run)] = _STATUSES[status]
    return runs
