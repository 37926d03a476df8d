"""metrics.jsonl: one line for each step of a run, written by rank 0 and read by the launcher and the report."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

METRICS_FILE = "metrics.jsonl"


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """One optimizer step. `step` counts from 1: the number of steps done after it."""

    step: int
    loss: float
    """Mean cross-entropy of a trained token before the step, in nats."""
    lr: float
    grad_norm: float
    """Global L2 norm of the gradient before clipping."""
    tokens: int
    """Tokens of all workers, padding included."""
    trained_tokens: int
    packs: list[int]
    step_s: float


class MetricsLog:
    """Appends steps; continuing from a checkpoint first drops the steps that will be done again."""

    def __init__(self, directory: Path, steps_done: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / METRICS_FILE
        kept = [metrics for metrics in read_metrics(directory) if metrics.step <= steps_done]
        partial = path.with_suffix(".partial")
        partial.write_text("".join(map(_line, kept)), encoding="utf-8")
        partial.replace(path)
        self._stream = path.open("a", encoding="utf-8")

    def append(self, metrics: StepMetrics) -> None:
        """Write one line, visible to readers at once."""
        self._stream.write(_line(metrics))
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def read_metrics(directory: Path) -> list[StepMetrics]:
    """The steps of a run so far; a line that is still being written is left out."""
    path = directory / METRICS_FILE
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [StepMetrics(**json.loads(line)) for line in lines]


def _line(metrics: StepMetrics) -> str:
    return json.dumps(asdict(metrics)) + "\n"
