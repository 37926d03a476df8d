"""Hands every step of a run to TensorBoard files, Weights & Biases and MLflow, and goes on without one that fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from octupus.errors import TrainingError
from octupus.telemetry import event
from octupus.train.checkpoint.storage import Storage
from octupus.train.config import StageConfig
from octupus.train.watch.metrics import StepMetrics
from octupus.train.watch.tracking.mlflow_server import MLflowServer
from octupus.train.watch.tracking.tensorboard import TensorBoardFiles
from octupus.train.watch.tracking.tracker import Tracker, without_credentials
from octupus.train.watch.tracking.weights_and_biases import WeightsAndBiases

logger = logging.getLogger(__name__)

STEPS_AT_ONCE = 50
"""Most steps that a tracker gets in one call; MLflow takes at most 1000 values in one request."""
CLOSE_TIMEOUT_S = 60.0
"""How long the end of a run waits for trackers whose server is slow or gone."""


class Trackers:
    """The trackers of a run, on rank 0. Each has a thread of its own, so that no slow server holds up a step."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._threads = [_TrackerThread(tracker) for tracker in trackers]

    @property
    def failed(self) -> list[str]:
        """Names of the trackers that failed and get nothing any more."""
        return [thread.tracker.name for thread in self._threads if thread.failed]

    def log(self, metrics: StepMetrics) -> None:
        """Hand one step over; returns at once."""
        for thread in self._threads:
            thread.log(metrics)

    def close(self, failed: bool) -> None:
        """Wait until everything is sent, at most CLOSE_TIMEOUT_S; logs how many steps a tracker did not get."""
        for thread in self._threads:
            thread.end(failed)
        deadline = time.monotonic() + CLOSE_TIMEOUT_S
        for thread in self._threads:
            thread.join(deadline)


def start_trackers(config: StageConfig, storage: Storage, steps_done: int) -> Trackers:
    """Start what `config.tracking` names, and TensorBoard files always.

    `steps_done` is the step of the checkpoint that the run continues from, 0 at its beginning. Raises TrainingError
    when a tracker cannot start at the beginning of a run (package missing, no key, no server); a run that continues
    goes on without it, since a server that is gone must not cost the steps done.
    """
    started: list[Tracker] = []
    for start in _starters(config, storage, steps_done):
        try:
            started.append(start())
        except TrainingError as error:
            if steps_done == 0:
                Trackers(started).close(failed=True)
                raise
            event(logger, "train.tracker_failed", error=without_credentials(str(error)))
    return Trackers(started)


def _starters(config: StageConfig, storage: Storage, steps_done: int) -> list[Callable[[], Tracker]]:
    starters: list[Callable[[], Tracker]] = [lambda: TensorBoardFiles(config, storage, steps_done)]
    wandb_project, mlflow_experiment = config.tracking.wandb_project, config.tracking.mlflow_experiment
    if wandb_project is not None:
        starters.append(lambda: WeightsAndBiases(config, storage, wandb_project))
    if mlflow_experiment is not None:
        starters.append(lambda: MLflowServer(config, storage, mlflow_experiment))
    return starters


@dataclass(frozen=True, slots=True)
class _End:
    """Last in a thread's queue."""

    failed: bool


class _TrackerThread:
    """Feeds one tracker until its end or its first error."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.failed = False
        self._queue: SimpleQueue[StepMetrics | _End] = SimpleQueue()
        self._handed = self._sent = 0
        self._thread = threading.Thread(target=self._run, name=f"tracker {tracker.name}", daemon=True)
        self._thread.start()

    def log(self, metrics: StepMetrics) -> None:
        self._handed += 1
        if not self.failed:
            self._queue.put(metrics)

    def end(self, failed: bool) -> None:
        self._queue.put(_End(failed))

    def join(self, deadline: float) -> None:
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive() or self._sent < self._handed:
            missing = self._handed - self._sent
            event(logger, "train.tracker_incomplete", tracker=self.tracker.name, steps_not_sent=missing)

    def _run(self) -> None:
        # A server that is gone, or a full disk, is no reason to stop training; any other exception is a fault in
        # octupus, which ends this thread with its traceback, and `join` says what was not sent.
        try:
            while (end := self._send()) is None:
                pass
            self.tracker.close(end.failed)
        except self.tracker.errors as error:
            self.failed = True
            reason = without_credentials(f"{type(error).__name__}: {error}")
            event(logger, "train.tracker_failed", tracker=self.tracker.name, steps_sent=self._sent, error=reason)

    def _send(self) -> _End | None:
        """Wait for a step, then send those that have come; returns what ends the queue when it is reached."""
        steps: list[StepMetrics] = []
        item = self._queue.get()
        while isinstance(item, StepMetrics):
            steps.append(item)
            if len(steps) == STEPS_AT_ONCE or self._queue.empty():
                break
            item = self._queue.get()
        if steps:
            self.tracker.log(steps)
            self._sent += len(steps)
        return item if isinstance(item, _End) else None
