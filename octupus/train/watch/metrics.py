"""metrics.jsonl: one line for each step of a run, written by rank 0 and read by the launcher and the report."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass

from octupus.train.checkpoint.storage import Storage

METRICS_FILE = "metrics.jsonl"
UPLOAD_INTERVAL_S = 15.0
"""How old metrics.jsonl may be in object storage, which cannot append."""


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """One optimizer step. `step` counts from 1: the number of steps done after it. Times are rank 0's."""

    step: int
    epoch: float
    """Passes over the data after the step."""
    loss: float
    """Mean cross-entropy of a trained token before the step, in nats."""
    lr: float
    grad_norm: float
    """Global L2 norm of the gradient before clipping."""
    tokens: int
    """Tokens of all workers, padding left out."""
    slots: int
    """What these tokens could have been: packs times the token budget."""
    trained_tokens: int
    packs: list[int]
    step_s: float
    """The whole step; the rest of the times are parts of it."""
    data_s: float
    forward_s: float
    backward_s: float
    optimizer_s: float
    """Clipping, the update, and what ZeRO exchanges for it."""
    save_s: float
    """What a checkpoint kept the step waiting; it is stored in the background."""
    peak_memory_bytes: int
    """Most memory of a worker so far: allocated on its GPU, or resident on CPU; the largest over workers."""
    mfu: float | None = None
    """Model FLOPs a second beside what the GPUs can do; null on CPU or an unknown GPU."""
    evaluation_loss: float | None = None
    """Mean cross-entropy on held-out packs after the step, where they were looked at."""
    workers: int = 1

    @property
    def tokens_per_s(self) -> float:
        """Real tokens a second over all workers."""
        return self.tokens / self.step_s

    @property
    def fill(self) -> float:
        """Share of the slots that hold tokens."""
        return self.tokens / self.slots


class MetricsLog:
    """Appends steps; continuing from a checkpoint first drops the steps that will be done again."""

    def __init__(self, storage: Storage, steps_done: int) -> None:
        self._storage = storage
        self._lines = [_line(metrics) for metrics in read_metrics(storage) if metrics.step <= steps_done]
        self._write_all()
        # Renamed files are fresh ones, so a writer of an earlier attempt that still lives cannot disturb this one.
        local = storage.local
        self._stream = None if local is None else (local / METRICS_FILE).open("a", encoding="utf-8")

    def append(self, metrics: StepMetrics) -> None:
        """Add one step, visible to readers at once (in object storage within UPLOAD_INTERVAL_S)."""
        if self._stream is not None:
            self._stream.write(_line(metrics))
            self._stream.flush()
            return
        self._lines.append(_line(metrics))
        if time.monotonic() - self._written > UPLOAD_INTERVAL_S:
            self._write_all()

    def close(self) -> None:
        """Write what is not yet written."""
        if self._stream is not None:
            with suppress(OSError):  # what append could not write, it has told
                self._stream.close()
        else:
            self._write_all()

    def _write_all(self) -> None:
        self._storage.write(METRICS_FILE, "".join(self._lines).encode())
        self._written = time.monotonic()


def read_metrics(storage: Storage) -> list[StepMetrics]:
    """The steps of a run so far; a line that is still being written is left out."""
    content = storage.read(METRICS_FILE)
    return [] if content is None else parse_metrics(content)


def parse_metrics(content: bytes) -> list[StepMetrics]:
    """The steps in whole lines of a metrics file."""
    return [StepMetrics(**json.loads(line)) for line in content.split(b"\n")[:-1]]


def _line(metrics: StepMetrics) -> str:
    return json.dumps(asdict(metrics)) + "\n"
