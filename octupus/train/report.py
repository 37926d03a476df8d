"""report.html of a run: how loss, learning rate and gradient norm went."""

from __future__ import annotations

from pathlib import Path

from octupus.page import Section, line_chart, table, text, write_page
from octupus.train.metrics import read_metrics

REPORT_FILE = "report.html"


def write_report(directory: Path, title: str, error: str | None = None) -> Path:
    """Draw the report of the run in `directory` from its metrics; `error` says why the run stopped early."""
    metrics = read_metrics(directory)
    sections = [Section("Stopped", text(error))] if error else []
    if metrics:
        steps = [step.step for step in metrics]
        seconds = sum(step.step_s for step in metrics)
        tokens = sum(step.tokens for step in metrics)
        sections += [
            Section(
                "Summary",
                table(
                    ["steps", "first loss", "last loss", "tokens", "trained tokens", "tokens/s"],
                    [
                        [
                            steps[-1],
                            metrics[0].loss,
                            metrics[-1].loss,
                            tokens,
                            sum(step.trained_tokens for step in metrics),
                            tokens / seconds,
                        ]
                    ],
                ),
            ),
            Section("Loss", line_chart({"loss": (steps, [step.loss for step in metrics])}, "step", "nats per token")),
            Section(
                "Learning rate", line_chart({"lr": (steps, [step.lr for step in metrics])}, "step", "learning rate")
            ),
            Section(
                "Gradient norm",
                line_chart({"norm": (steps, [step.grad_norm for step in metrics])}, "step", "L2 norm before clipping"),
            ),
        ]
    path = directory / REPORT_FILE
    write_page(path, title, sections)
    return path
