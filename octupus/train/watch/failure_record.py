"""What a run leaves behind when its numbers stop being finite."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from octupus import versions
from octupus.train.checkpoint.storage import Storage
from octupus.train.config import StageConfig
from octupus.train.watch.metrics import read_metrics

LAST_STEPS = 20


def write_failure_record(
    storage: Storage, config: StageConfig, step: int, values: dict[str, float], packs: list[dict[str, Any]]
) -> str:
    """Write `not_finite_step_00000123.json` and return its name.

    `step` counts from 1; `values` are the step's loss, gradient norm and learning rate; `packs` has the loss and the
    trained tokens of each pack. Infinities and NaN are written as text, since JSON has no numbers for them.
    """
    name = f"not_finite_step_{step:08d}.json"
    record = {
        "step": step,
        "values": {key: str(value) for key, value in values.items()},
        "packs": [{key: str(value) if key == "loss" else value for key, value in pack.items()} for pack in packs],
        "last_steps": [asdict(metrics) for metrics in read_metrics(storage)[-LAST_STEPS:]],
        "config": config.model_dump(mode="json"),
        "versions": versions.installed(),
    }
    storage.write(name, (json.dumps(record, indent=2) + "\n").encode())
    return name
