"""report.html of a run: tables, bars, and each wrong item with its prompt, what was expected and what came."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from octupus import page
from octupus.evaluate.bfcl import ancestors, columns
from octupus.evaluate.bfcl.outcomes import Outcome
from octupus.evaluate.bfcl.published import Published
from octupus.evaluate.bfcl.results import Result
from octupus.evaluate.bfcl.tables import notes
from octupus.evaluate.bfcl.weights import WEIGHTS

SHOWN_CHARACTERS = 4000
"""So much of each text of a wrong item; the whole stands in the harness's own files."""


def write_report(path: Path, run: Published, outcomes: Sequence[Outcome], results: Mapping[str, Result]) -> None:
    """Write the page."""
    sections = [
        page.Section("Scores", "".join(page.text(line) for line in notes(run)) + _scores(run) + _bars(run)),
        page.Section("In the columns of octupus-tool-call", _ancestors(run)),
        page.Section("Wrong items", _wrong(outcomes, results)),
    ]
    page.write_page(path, f"{run.measured['benchmark']}: {run.measured['model']}", sections)


def _scores(run: Published) -> str:
    rows: list[tuple[Any, ...]] = [
        (name, run.counts[name].right, run.counts[name].total, columns.percent(score), "")
        for name, score in run.categories.items()
    ]
    rows += [(name, "", "", columns.percent(score), f"{WEIGHTS[name]:.0%}") for name, score in run.parts.items()]
    rows.append(("overall", "", "", columns.percent(run.overall), ""))
    rows.append(("of what was run", "", "", columns.percent(run.reweighted), ""))
    missing = [(name, needs or "only the endpoint") for name, needs in run.missing.items()]
    tables = page.table(["", "right", "items", "% (95 % interval)", "weight"], rows)
    return tables + (page.table(["not run", "needs"], missing) if missing else "")


def _bars(run: Published) -> str:
    return page.bar_chart({name: 100 * score.value for name, score in run.categories.items()}, "% right")


def _ancestors(run: Published) -> str:
    rows = [
        (column, *(columns.shown(value) for value in values))
        for column, *values in zip(ancestors.COLUMNS, columns.row(run), *ancestors.V3.values(), strict=True)
    ]
    heads = [f"{run.measured['benchmark']} {run.measured['model']}", *(f"BFCL v3: {name}" for name in ancestors.V3)]
    note = "BFCL v3 is another version of the benchmark: its numbers are no measure of v4's."
    return page.text(note) + page.table(["%", *heads], rows)


def _wrong(outcomes: Sequence[Outcome], results: Mapping[str, Result]) -> str:
    wrong = [outcome for outcome in outcomes if not outcome.right]
    if not wrong:
        return page.text("none")
    return "".join(page.folded(outcome.id, _item(outcome, results[outcome.id]), anchor=outcome.id) for outcome in wrong)


def _item(outcome: Outcome, result: Result) -> str:
    verdict = outcome.verdict
    prompt = verdict.get("prompt", {})
    question = prompt.get("question", prompt) if isinstance(prompt, dict) else prompt
    parts = {
        "prompt": _messages(question),
        "expected": _json(verdict["possible_answer"]) if "possible_answer" in verdict else _relevance(outcome),
        "got": result.error or _json(result.value),
        "verdict": _json({name: verdict[name] for name in ("error_type", "error") if name in verdict}),
    }
    return "".join(
        f"<h4>{html.escape(name)}</h4>{page.preformatted(_short(value))}" for name, value in parts.items() if value
    )


def _relevance(outcome: Outcome) -> str:
    return "no call" if "irrelevance" in outcome.category else "a call, whichever"


def _messages(question: Any) -> str:
    """Messages by turn, as `role: content`."""
    if isinstance(question, dict) and "role" in question:
        return f"{question['role']}: {question.get('content')}"
    if isinstance(question, list):
        return "\n".join(_messages(part) for part in question)
    return _json(question) if question else ""


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


def _short(value: str) -> str:
    left_out = len(value) - SHOWN_CHARACTERS
    return value if left_out <= 0 else f"{value[:SHOWN_CHARACTERS]}\n... and {left_out:,} characters more"
