"""What Ray Train calls in each worker. Loads PyTorch there only, so that the launcher need not wait for it."""

from __future__ import annotations

from typing import Any

from octupus.errors import TrainingError
from octupus.telemetry import configure_logging
from octupus.train.config import StageConfig


def train_worker(settings: dict[str, Any]) -> dict[str, str]:
    """Train a stage; `settings` is a resolved StageConfig as JSON values.

    Returns {} when the stage is done and {"error": message} on a TrainingError. Such an error is the same on every
    worker and would come again after a restart, so it is returned: Ray Train retries what is raised.
    """
    from octupus.train.loop import train_stage

    configure_logging()
    try:
        train_stage(StageConfig.model_validate(settings), _preempted)
    except TrainingError as error:
        return {"error": str(error)}
    return {}


def _preempted() -> bool:
    """Whether the node of any worker is about to be taken away. All workers must ask equally often."""
    import ray.train

    return ray.train.get_preemption_info() is not None
