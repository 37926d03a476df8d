"""report.html of a run: what was trained, how the loss went, and where the time went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from statistics import median
from typing import Any

import numpy as np

from octupus.page import Section, line_chart, page, preformatted, stacked_chart, table, text
from octupus.train.checkpoint.storage import Storage
from octupus.train.watch.curves import Floats, binned_means, smoothed, thinned
from octupus.train.watch.metrics import StepMetrics, read_metrics

REPORT_FILE = "report.html"

POINTS = 2000
"""Most points of a curve."""
SMOOTHED_FROM = 200
"""Runs of fewer steps are drawn without a smoothed line."""
SMOOTHED_SHARE = 50
"""The smoothed line is the mean over this fraction of the run."""
TIME_BINS = 300
"""Most places of the chart of times, each the mean of its steps."""
PARTS = ("data", "forward", "backward", "optimizer", "save")
"""Parts of a step's time, as StepMetrics names them with `_s`; the rest is shown as "other"."""


def write_report(storage: Storage, title: str, error: str | None = None) -> None:
    """Write the report of a run from its metrics; `error` says why the run stopped early.

    A run that never stepped has a report too. Raises OutputError.
    """
    sections = [Section("Stopped", preformatted(error))] if error else []
    metrics = read_metrics(storage)
    if metrics:
        sections += _sections(metrics)
    else:
        sections.append(Section("Steps", text("No step was done.")))
    storage.write(REPORT_FILE, page(title, sections).encode("utf-8", errors="replace"))


def _sections(metrics: Sequence[StepMetrics]) -> list[Section]:
    steps = np.array([step.step for step in metrics], dtype=np.float64)

    def chart(name: str, y_label: str, log_y: bool = False) -> str:
        values = np.array([getattr(step, name) for step in metrics], dtype=np.float64)
        return line_chart({y_label: _points(thinned(steps, values, POINTS))}, "step", y_label, log_y=log_y)

    return [
        Section("Summary", table(["", ""], _summary(metrics))),
        Section("Loss", _loss_chart(steps, metrics)),
        Section("Learning rate", chart("lr", "learning rate")),
        Section("Gradient norm", chart("grad_norm", "L2 norm before clipping", all(m.grad_norm > 0 for m in metrics))),
        Section("Throughput", chart("tokens_per_s", "tokens a second, all workers")),
        Section("Time of a step", _time_chart(steps, metrics)),
    ]


def _summary(metrics: Sequence[StepMetrics]) -> list[list[Any]]:
    seconds = sum(step.step_s for step in metrics)
    tokens = sum(step.tokens for step in metrics)
    evaluated = [step for step in metrics if step.evaluation_loss is not None]
    mfu = [step.mfu for step in metrics if step.mfu is not None]
    rows: list[list[Any]] = [
        ["steps", metrics[-1].step],
        ["epochs", metrics[-1].epoch],
        ["workers", _span([step.workers for step in metrics])],
        ["first loss", metrics[0].loss],
        ["last loss", metrics[-1].loss],
    ]
    if evaluated:
        best = min(evaluated, key=lambda step: step.evaluation_loss or 0.0)
        rows += [
            ["last held-out loss", evaluated[-1].evaluation_loss],
            [f"best held-out loss (step {best.step:,})", best.evaluation_loss],
        ]
    rows += [
        ["tokens", tokens],
        ["trained tokens", sum(step.trained_tokens for step in metrics)],
        ["tokens a second (median step)", round(median(step.tokens_per_s for step in metrics))],
        ["fill of packs", f"{tokens / sum(step.slots for step in metrics):.1%}"],
    ]
    if mfu:
        rows.append(["MFU (median step)", f"{median(mfu):.1%}"])
    rows += [
        ["peak memory of a worker", f"{max(step.peak_memory_bytes for step in metrics) / 2**30:,.2f} GiB"],
        ["time of all steps", str(timedelta(seconds=round(seconds)))],
        *([f"time in {name}", f"{part.sum() / seconds:.1%}"] for name, part in _times(metrics).items()),
    ]
    return rows


def _loss_chart(steps: Floats, metrics: Sequence[StepMetrics]) -> str:
    losses = np.array([step.loss for step in metrics])
    series = {"loss": _points(thinned(steps, losses, POINTS))}
    finite = np.isfinite(losses)
    if finite.sum() >= SMOOTHED_FROM:
        width = max(2, int(finite.sum()) // SMOOTHED_SHARE)
        curve = smoothed(losses[finite], width)
        series[f"mean of {width} steps"] = _points(thinned(steps[finite], curve, POINTS))
    held_out = [(step.step, step.evaluation_loss) for step in metrics if step.evaluation_loss is not None]
    if held_out:
        places, values = np.array(held_out, dtype=np.float64).T
        series["held-out"] = _points(thinned(places, values, POINTS))
    return line_chart(
        series,
        "step",
        "nats per trained token",
        faint=["loss"] if finite.sum() >= SMOOTHED_FROM else [],
        dotted=["held-out"],
    )


def _time_chart(steps: Floats, metrics: Sequence[StepMetrics]) -> str:
    parts = {name: binned_means(part, TIME_BINS).tolist() for name, part in _times(metrics).items()}
    return stacked_chart(binned_means(steps, TIME_BINS).tolist(), parts, "step", "seconds")


def _times(metrics: Sequence[StepMetrics]) -> dict[str, Floats]:
    """Seconds of each step by part, each of shape (steps,)."""
    parts = {name: np.array([getattr(step, f"{name}_s") for step in metrics]) for name in PARTS}
    rest = np.array([step.step_s for step in metrics]) - sum(parts.values())
    return parts | {"other": np.maximum(rest, 0.0)}


def _points(curve: tuple[Floats, Floats]) -> tuple[list[float], list[float]]:
    return curve[0].tolist(), curve[1].tolist()


def _span(values: Sequence[int]) -> int | str:
    low, high = min(values), max(values)
    return low if low == high else f"{low} to {high}"
