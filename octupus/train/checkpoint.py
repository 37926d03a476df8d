"""Checkpoints of a run: `<storage>/<run>/step_00000123/{state.json, rng_<rank>.pt, ds/...}`.

Each worker writes its share to a temporary directory; Ray Train copies the shares into one directory of the run's
storage while training goes on.
"""

from __future__ import annotations

import json
import random
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from octupus import versions
from octupus.errors import TrainingError
from octupus.telemetry import write_json
from octupus.train.engine import Engine

STATE = "state.json"
ENGINE_STATE = "ds"


@dataclass(frozen=True)
class RunIdentity:
    """What must stay the same for a run to continue exactly."""

    seed: int
    world: int
    packs_per_step: int
    manifest_sha256: str


@dataclass(frozen=True)
class RunState:
    """How far a run has come."""

    step: int
    """Steps done."""
    tokens: int
    """Tokens seen over all workers."""


def report_checkpoint(
    engine: Engine, identity: RunIdentity, state: RunState, config_sha256: str, rank: int, loss: float
) -> None:
    """Write a checkpoint and hand it to Ray Train, which stores it in the background. Collective."""
    import ray.train

    directory = Path(tempfile.mkdtemp(prefix=f"octupus_checkpoint_{rank}_"))
    engine.save(directory / ENGINE_STATE)
    torch.save(_random_state(), directory / f"rng_{rank}.pt")
    if rank == 0:
        record = asdict(state) | asdict(identity) | {"config_sha256": config_sha256, "versions": versions.installed()}
        write_json(directory / STATE, record)
    ray.train.report(
        {"step": state.step, "loss": loss},
        checkpoint=ray.train.Checkpoint.from_directory(str(directory)),
        checkpoint_dir_name=f"step_{state.step:08d}",
        checkpoint_upload_mode=ray.train.CheckpointUploadMode.ASYNC,
        delete_local_checkpoint_after_upload=True,
    )


def restore(directory: Path, engine: Engine, identity: RunIdentity, rank: int) -> RunState:
    """Load a checkpoint into the engine and the random generators.

    Raises TrainingError when it belongs to other data, another seed, another global batch or another number of
    workers: continuing would train some packs twice and others never.
    """
    record = json.loads((directory / STATE).read_text("utf-8"))
    for name, value in asdict(identity).items():
        if record[name] != value:
            raise TrainingError(
                f"the checkpoint of step {record['step']} was written with {name} {record[name]}, but this run has "
                f"{value}; restore the old value, or start anew under another run.name"
            )
    engine.load(directory / ENGINE_STATE)
    # weights_only=False: the file is our own and holds numpy's and Python's generators, which are no tensors.
    _set_random_state(torch.load(directory / f"rng_{rank}.pt", weights_only=False))
    return RunState(step=record["step"], tokens=record["tokens"])


def _random_state() -> dict[str, Any]:
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": np.random.get_state(),
        "python": random.getstate(),
    }


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"])
    np.random.set_state(state["numpy"])
    random.setstate(state["python"])
