"""The results as a table for a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from octupus.agent.judge.results import Candidate, Results

WIDTH = 120
COLUMNS = ("", "queries", "pass rate", "SoPR", "over runs", "win / tie / lose", "hallucinating", "no answer")


def summary_text(results: Results) -> str:
    """The table that the job prints; ± is one standard error."""
    stream = io.StringIO()
    console = Console(file=stream, width=WIDTH)
    table = Table(title=heading(results))
    for column in COLUMNS:
        table.add_column(column, justify="right" if column else "left")
    for row in rows(results):
        table.add_row(*row)
    console.print(table)
    for note in notes(results):
        console.print(note, markup=False)
    return stream.getvalue()


def heading(results: Results) -> str:
    """Who judged, and how."""
    config = results.config
    if config.judge == "rule":
        return "ToolEval by golden answers"
    return f"ToolEval by {config.model}: {config.votes} votes, {config.runs} runs, ties {config.ties}"


def rows(results: Results) -> Iterator[tuple[str, ...]]:
    """A row under COLUMNS for each candidate."""
    for candidate in results.candidates:
        solved = candidate.solve_rate
        yield (
            candidate.name,
            str(candidate.pass_rate.rate.n),
            str(candidate.pass_rate.rate),
            str(solved.rate),
            f"std {solved.std:.1%}",
            _won(candidate, results.config.reference),
            str(candidate.hallucinations.rate),
            str(candidate.unanswered),
        )


def notes(results: Results) -> Iterator[str]:
    """What must be known to trust the numbers."""
    yield "± is one standard error over queries; it is 0 where all came out alike, however few they are."
    for candidate in results.candidates:
        if candidate.pass_rate.ties:
            ties = results.config.ties
            yield f"{candidate.name}: {candidate.pass_rate.ties} queries with as many votes to pass as to fail ({ties})"
        if candidate.hallucinations.unreadable:
            yield f"{candidate.name}: {candidate.hallucinations.unreadable} called names are cut off in the file"
    missing = results.missing
    if missing:
        yield f"{missing.total()} votes are MISSING: " + ", ".join(f"{n} {why}" for why, n in missing.most_common(5))
    invalid = results.replies.get("invalid", 0)
    if invalid:
        yield f"{invalid} replies of the judge were no valid verdicts; {results.replies.get('verdict', 0)} were"


def _won(candidate: Candidate, reference: str | None) -> str:
    won = candidate.win_rate
    if won is None:
        return "reference" if candidate.name == reference else "-"
    tie, lose = won.tie.mean or 0.0, won.lose.mean or 0.0
    return f"{won.win} / {tie:.1%} / {lose:.1%}"
