"""Steps of a made-up run."""

from collections.abc import Iterable
from typing import Any

from octupus.train.checkpoint.storage import Storage
from octupus.train.watch.metrics import MetricsLog, StepMetrics


def metrics(step: int, **changes: Any) -> StepMetrics:
    values: dict[str, Any] = {
        "step": step,
        "epoch": step / 10,
        "loss": 2.0 / step,
        "lr": 1e-3,
        "grad_norm": 0.5,
        "tokens": 900,
        "slots": 1000,
        "trained_tokens": 40,
        "packs": [step, step + 1],
        "step_s": 0.5,
        "data_s": 0.01,
        "forward_s": 0.1,
        "backward_s": 0.2,
        "optimizer_s": 0.05,
        "save_s": 0.0,
        "peak_memory_bytes": 2**30,
    }
    return StepMetrics(**values | changes)


def write_steps(storage: Storage, steps: Iterable[int], steps_done: int = 0) -> None:
    log = MetricsLog(storage, steps_done)
    for step in steps:
        log.append(metrics(step))
    log.close()
