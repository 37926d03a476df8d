"""The results as report.html: shares with standard errors, how the judge voted, and failures to read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from octupus.agent.judge.bars import share_bars
from octupus.agent.judge.pass_rate import AnswerVote
from octupus.agent.judge.results import Candidate, Results
from octupus.agent.judge.summary import COLUMNS, heading, notes, rows
from octupus.agent.judge.win_rate import PreferenceVote
from octupus.page import Section, folded, preformatted, table, text, write_page

MOST_SHOWN = 200
"""Failures of a candidate in the page; results.json has all."""


def write_report(path: Path, results: Results) -> None:
    """Write the page to `path`."""
    scores = table(COLUMNS, list(rows(results))) + "".join(map(text, notes(results)))
    sections = [Section("Scores", scores), Section("Pass rate", _bars(results))]
    sections += [Section("Judge", _judge(results))]
    sections += [Section(candidate.name, _candidate(candidate)) for candidate in results.candidates]
    write_page(path, heading(results), sections)


def _bars(results: Results) -> str:
    chart = share_bars([(candidate.name, candidate.pass_rate.rate) for candidate in results.candidates])
    won = [(candidate.name, candidate.win_rate.win) for candidate in results.candidates if candidate.win_rate]
    if won:
        chart += text(f"Won against {results.config.reference}:") + share_bars(won)
    called = [(candidate.name, candidate.hallucinations.rate) for candidate in results.candidates]
    return chart + text("Answers with calls of tools that were not offered:") + share_bars(called)


def _judge(results: Results) -> str:
    body = text("Golden answers decide; no endpoint was asked.")
    if results.replies:
        body = table(["replies of the judge, and tokens", ""], list(results.replies.items()))
    shown = [
        (candidate.name, candidate.win_rate.first_preferred) for candidate in results.candidates if candidate.win_rate
    ]
    if shown:
        body += text("Votes for the answer that was read first; half of them shows no position bias.")
        body += table(["", "share", "of"], [(name, str(share), share.n) for name, share in shown])
    missing = list(results.missing.most_common(50))
    return body + (table(["missing because", "votes"], missing) if missing else text("No vote is missing."))


def _candidate(candidate: Candidate) -> str:
    votes = table(["votes", ""], list(candidate.pass_rate.statuses.items()))
    runs = [f"{rate:.1%}" for rate in candidate.solve_rate.runs]
    votes += text(f"SoPR of each run: {', '.join(runs)}")
    names = candidate.hallucinations.names.most_common(20)
    if names:
        votes += table(["called and not offered", "calls"], names)
    wrong = [query_id for query_id in candidate.votes if candidate.pass_rate.scores.get(query_id) != 1.0]
    if not wrong:
        return votes + text("Every query passes.")
    some = f"The first {MOST_SHOWN} of {len(wrong)}" if len(wrong) > MOST_SHOWN else f"All {len(wrong)}"
    return votes + text(f"{some} that do not pass:") + "".join(_failure(candidate, key) for key in wrong[:MOST_SHOWN])


def _failure(candidate: Candidate, query_id: str) -> str:
    """One query, folded: every vote with its reason, and the chain that was judged."""
    answer = candidate.answers.get(query_id)
    cast = candidate.votes[query_id]
    lines = [(number, *_said(vote)) for number, vote in enumerate(cast)]
    body = table(["vote", "said", "reason"], lines)
    preferences = (candidate.preferences or {}).get(query_id, ())
    if preferences:
        body += table(["vote", "preferred", "reason"], [(n, *_preferred(vote)) for n, vote in enumerate(preferences)])
    if answer is None:
        return folded(f"{query_id} · no answer", body)
    chain = "\n".join(f"{step.role}: {step.text}" for step in answer.chain if step.text)
    body += text(answer.query) + preformatted(answer.answer_text or "no answer") + folded("steps", preformatted(chain))
    return folded(f"{query_id} · {_outcome(candidate, query_id)} · {answer.query[:100]}", body)


def _outcome(candidate: Candidate, query_id: str) -> str:
    score = candidate.pass_rate.scores.get(query_id)
    return "no vote" if score is None else "tie" if score == 0.5 else "failed"


def _said(vote: AnswerVote) -> Iterator[str]:
    yield "missing" if vote.missing else f"{vote.answer}{', ' + vote.task if vote.task else ''}"
    yield vote.missing or vote.reason


def _preferred(vote: PreferenceVote) -> Iterator[str]:
    yield vote.preferred or "missing"
    yield vote.missing or vote.reason
