"""Where rank 0 leaves what is known of each step: metrics.jsonl, and the trackers."""

from __future__ import annotations

from octupus.train.checkpoint.storage import Storage
from octupus.train.config import StageConfig
from octupus.train.watch.metrics import MetricsLog, StepMetrics
from octupus.train.watch.trackers import start_trackers


class Recorder:
    """Opened by rank 0 alone. Raises TrainingError when a tracker cannot start, OutputError when storage fails."""

    def __init__(self, config: StageConfig, storage: Storage, steps_done: int) -> None:
        self._storage = storage
        self._metrics = MetricsLog(storage, steps_done)
        self._trackers = start_trackers(config, storage, steps_done)

    def record(self, metrics: StepMetrics) -> None:
        """Add one step. Raises OSError or OutputError when it cannot be written."""
        self._metrics.append(metrics)
        self._trackers.log(metrics)

    def close(self, failed: bool) -> None:
        """Write and send what is still waiting."""
        self._trackers.close(failed)
        self._metrics.close()
