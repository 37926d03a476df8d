"""metrics.jsonl of a retriever's training: one line for each step, written by rank 0."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

METRICS_FILE = "metrics.jsonl"


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """One step. `step` counts from 1; line 0 stands for the encoder before training."""

    step: int
    epoch: int
    """Epochs that are complete after the step."""
    loss: float | None
    """Mean over workers and pairs before the step, in nats; null on line 0."""
    lr: float
    seconds: float
    """Of the step alone."""
    test: dict[str, float] | None = None
    """ndcg_1, ndcg_3, ndcg_5 and recall_5 of the test queries after the step, where they were looked at."""


class MetricsLog:
    """Appends steps; one that continues from a checkpoint first drops the steps that will be done again."""

    def __init__(self, directory: Path, steps_done: int) -> None:
        kept = [metrics for metrics in read_metrics(directory) if metrics.step <= steps_done]
        directory.mkdir(parents=True, exist_ok=True)
        partial = directory / f".{METRICS_FILE}"
        partial.write_text("".join(map(_line, kept)), encoding="utf-8")
        partial.replace(directory / METRICS_FILE)
        self._file = directory / METRICS_FILE
        self.steps = {metrics.step for metrics in kept}

    def append(self, metrics: StepMetrics) -> None:
        """Add one step, visible to readers at once."""
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(_line(metrics))


def read_metrics(directory: Path) -> list[StepMetrics]:
    """The steps so far; a line that is still being written is left out."""
    file = directory / METRICS_FILE
    lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
    return [StepMetrics(**json.loads(line)) for line in lines]


def _line(metrics: StepMetrics) -> str:
    return json.dumps(asdict(metrics)) + "\n"
