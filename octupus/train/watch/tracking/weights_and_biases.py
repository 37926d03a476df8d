"""A run in Weights & Biases."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Sequence

from octupus.errors import TrainingError
from octupus.train.checkpoint.storage import Storage
from octupus.train.config import StageConfig
from octupus.train.watch.metrics import StepMetrics
from octupus.train.watch.tracking.tracker import scalars

RUN_FILE = "wandb_run.json"
"""Keeps the run's id, so that a restart continues the same run, and a run begun anew gets a new one."""


class WeightsAndBiases:
    """Steps that come again after a restart are dropped by W&B, whose steps only rise; their values are the same."""

    name = "wandb"
    errors: tuple[type[Exception], ...]

    def __init__(self, config: StageConfig, storage: Storage, project: str) -> None:
        """Raises TrainingError when wandb is not installed, has no key, or does not reach its server."""
        try:
            import wandb
        except ImportError as error:
            raise TrainingError(
                "tracking.wandb_project is set, but wandb is not installed; pip install wandb on every node, "
                "or leave tracking.wandb_project out"
            ) from error
        # wandb.Error is the base of its own errors; when its local service died, calls raise ConnectionResetError,
        # an OSError. A server that is gone raises nothing: the service keeps trying and holds the data on disk.
        self.errors = (wandb.Error, OSError)
        run_id = _run_id(storage)
        try:
            self._run = wandb.init(
                project=project,
                id=run_id or secrets.token_hex(8),
                name=config.run.name,
                resume="allow",
                config=config.model_dump(mode="json"),
                allow_val_change=True,  # a restart may have other workers
                # Beside object storage a temporary directory, left there: data of WANDB_MODE=offline is nowhere else.
                dir=str(storage.local or tempfile.mkdtemp(prefix="octupus-wandb-")),
                settings=wandb.Settings(console="off"),  # metrics only: standard output may hold anything
            )
        except self.errors as error:
            raise TrainingError(
                f"cannot start tracking in Weights & Biases: {error}; set WANDB_API_KEY where the workers run "
                "(or WANDB_MODE=offline), or leave tracking.wandb_project out"
            ) from error
        if run_id is None:
            storage.write(RUN_FILE, json.dumps({"id": self._run.id}).encode())

    def log(self, steps: Sequence[StepMetrics]) -> None:
        """Hand steps to wandb's service."""
        for metrics in steps:
            self._run.log(scalars(metrics), step=metrics.step)

    def close(self, failed: bool) -> None:
        """Wait for the upload."""
        self._run.finish(exit_code=1 if failed else 0)


def _run_id(storage: Storage) -> str | None:
    content = storage.read(RUN_FILE)
    return None if content is None else str(json.loads(content)["id"])
