"""A run of annotating to read: summary.json, and the same as report.html with what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from octupus.agent.solve.annotate_config import AnnotateConfig
from octupus.agent.solve.annotate_output import ENDS, NUMBERS, Totals, end_of, failure_of, kept_solutions
from octupus.agent.solve.queries import Query
from octupus.agent.solve.tree import Solution
from octupus.page import Section, bar_chart, folded, histogram, preformatted, table, text, write_page
from octupus.telemetry import write_json

SUMMARY, REPORT = "summary.json", "report.html"
MOST_SHOWN = 200
"""Queries without an answer in the page; answers/ has all."""


def write_summary(
    config: AnnotateConfig, queries: Sequence[Query], failed: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    """Count what the directory holds for the queries, write both files and give the counts.

    `failed` holds reason and detail of queries for which this run could not even begin, by id. Raises CorpusError.
    """
    totals = Totals()
    spent: list[float] = []
    shown: list[str] = []
    left = 0
    for query, solution in kept_solutions(config.output, config.solver.method, queries):
        reason, detail = failed.get(query.id, ("not_asked", ""))
        totals.add(solution, reason)
        if solution is not None:
            spent.append(solution.tokens_in + solution.tokens_out)
        if solution is None or not solution.win:
            left += 1
            if len(shown) < MOST_SHOWN:
                shown.append(_unanswered(query, solution, reason, detail))
    summary = totals.to_json()
    write_json(config.output / SUMMARY, summary)
    write_page(
        config.output / REPORT,
        f"{config.solver.method} with {config.model}",
        _sections(config, summary, spent, shown, left),
    )
    return summary


def _sections(
    config: AnnotateConfig, summary: Mapping[str, Any], spent: Sequence[float], shown: Sequence[str], left: int
) -> list[Section]:
    about = [("endpoint", config.endpoint.base_url), ("model", config.model), ("method", config.solver.method)]
    counts = [("queries", summary["queries"]), *((name, summary[name]) for name in (*ENDS, *NUMBERS))]
    sections = [
        Section("In short", table(["", ""], [*about, *counts])),
        Section("How queries ended", bar_chart({name: summary[name] for name in ENDS}, "queries")),
    ]
    if spent:
        sections.append(Section("Cost", histogram(spent, "tokens of a query")))
    for heading, key in (
        ("Calls by status", "calls_by_status"),
        ("Chains that were cut, by reason", "pruned_by_reason"),
        ("Failures by reason", "failed_by_reason"),
        ("Requests sent again, by reason", "retries"),
    ):
        rows = list(summary[key].items())
        sections.append(Section(heading, table(["", "count"], rows) if rows else text("None.")))
    told = text(f"The first {len(shown)} of {left}." if left > len(shown) else f"All {left}.")
    return [*sections, Section("Without an answer", told + "".join(shown))]


def _unanswered(query: Query, solution: Solution | None, reason: str, detail: str) -> str:
    if solution is None:
        return folded(f"{query.id}: failed: {reason}", text(query.text) + preformatted(detail))
    why = failure_of(solution)
    final = solution.final
    lines = [line for node in (final.path() if final else []) for line in _lines(node.content, node.executed)]
    failures = [node.failure for node in solution.nodes if node.failure]
    heading = f"{query.id}: failed: {why}" if why else f"{query.id}: {end_of(solution)}"
    return folded(heading, text(query.text) + preformatted("\n".join([*lines, *failures])))


def _lines(content: str | None, executed: Sequence[Any]) -> list[str]:
    spoken = [content] if content else []
    calls = [
        f"{made.call.function.name} {made.call.function.arguments}\n  {made.status.name}: {made.text}"
        for made in executed
    ]
    return [*spoken, *calls]
