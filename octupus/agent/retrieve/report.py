"""report.html of a retriever's training: loss, NDCG by epoch, and what the corpus held."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from octupus.agent.retrieve.step_metrics import StepMetrics, read_metrics
from octupus.page import Section, line_chart, table, text, write_page

REPORT_FILE = "report.html"
_POINTS = 200
"""The loss is drawn as means of so many stretches, since single batches differ much."""


def write_report(run: Path, record: dict[str, Any]) -> None:
    """Write the report of a finished run from its metrics and the record of its export."""
    metrics = read_metrics(run)
    steps = [each for each in metrics if each.loss is not None]
    measured = [(each, each.test) for each in metrics if each.test is not None]
    names = list(record["test"])
    rows = [[each.step, each.epoch, *(test[name] for name in names)] for each, test in measured]
    curves = {name: ([each.step for each, _ in measured], [test[name] for _, test in measured]) for name in names}
    seconds = sum(each.seconds for each in steps)
    sections = [
        Section(
            "Test queries",
            text("Over all documents, by cosine. Step 0 is the encoder before training; the last step is exported.")
            + table(["step", "epochs", *names], rows)
            + line_chart(curves, "step", "mean over test queries", dotted=names),
        ),
        Section("Loss", line_chart({"loss": _stretches(steps)}, "step", "nats a pair")),
        Section("Corpus", table(["what", "count"], sorted(record["corpus"].items()))),
        Section(
            "Settings",
            table(["setting", "value"], [[name, str(value)] for name, value in record["identity"].items()])
            + text(f"{len(steps)} steps took {seconds:.1f} s."),
        ),
    ]
    write_page(run / REPORT_FILE, "Training of a retriever", sections)


def _stretches(steps: Sequence[StepMetrics]) -> tuple[list[float], list[float]]:
    length = max(1, len(steps) // _POINTS)
    parts = [steps[start : start + length] for start in range(0, len(steps), length)]
    return (
        [float(part[-1].step) for part in parts],
        [sum(each.loss or 0.0 for each in part) / len(part) for part in parts],
    )
