"""What a tracker is, and what all of them are given of a step and of the configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from octupus.train.config import StageConfig
from octupus.train.watch.metrics import StepMetrics


class Tracker(Protocol):
    """One place where metrics go besides metrics.jsonl."""

    name: str
    errors: tuple[type[Exception], ...]
    """What `log` and `close` raise when the tracker's server or disk fails; anything else is a fault of octupus."""

    def log(self, steps: Sequence[StepMetrics]) -> None:
        """Send steps that have not been sent, in their order; at most trackers.STEPS_AT_ONCE."""
        ...

    def close(self, failed: bool) -> None:
        """Send what is left and mark the run as finished or failed."""
        ...


def scalars(metrics: StepMetrics) -> dict[str, float]:
    """What trackers draw of a step, by name; what is null in the step is left out."""
    values: dict[str, float | None] = {
        "loss": metrics.loss,
        "evaluation_loss": metrics.evaluation_loss,
        "lr": metrics.lr,
        "grad_norm": metrics.grad_norm,
        "epoch": metrics.epoch,
        "tokens_per_s": metrics.tokens_per_s,
        "fill": metrics.fill,
        "mfu": metrics.mfu,
        "workers": metrics.workers,
        "peak_memory_bytes": metrics.peak_memory_bytes,
        "time/step_s": metrics.step_s,
        "time/data_s": metrics.data_s,
        "time/forward_s": metrics.forward_s,
        "time/backward_s": metrics.backward_s,
        "time/optimizer_s": metrics.optimizer_s,
        "time/save_s": metrics.save_s,
    }
    return {name: float(value) for name, value in values.items() if value is not None}


def parameters(config: StageConfig) -> dict[str, str]:
    """The configuration by dotted key, as the command line writes it."""
    return dict(_flat(config.model_dump(mode="json")))


def without_credentials(message: str) -> str:
    """`message` without the user and password of URLs, which MLFLOW_TRACKING_URI may hold and its errors repeat."""
    return re.sub(r"://[^/@\s]+@", "://", message)


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        pairs += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, str(value))]
    return pairs
