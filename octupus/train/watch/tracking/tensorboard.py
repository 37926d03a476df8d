"""TensorBoard event files of a run, through tensorboardX."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog

from octupus.errors import OutputError
from octupus.train.checkpoint.storage import Storage
from octupus.train.config import StageConfig
from octupus.train.watch.metrics import StepMetrics
from octupus.train.watch.tracking.tracker import scalars

DIRECTORY = "tensorboard"
UPLOAD_INTERVAL_S = 60.0
"""How old event files may be in object storage, which cannot append."""


class TensorBoardFiles:
    """One event file for each start of the run, in `<run>/tensorboard`.

    tensorboardX's SummaryWriter is not used: its own thread dies at a full disk, and then its queue blocks for ever.
    """

    name = "tensorboard"
    errors: tuple[type[Exception], ...] = (OSError, OutputError)

    def __init__(self, config: StageConfig, storage: Storage, steps_done: int) -> None:
        """Raises OutputError when the directory cannot be written."""
        self._storage = storage
        self._temporary = tempfile.TemporaryDirectory(prefix="octupus-") if storage.local is None else None
        self._directory = Path(self._temporary.name) if self._temporary else (storage.local or Path()) / DIRECTORY
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            # The name holds only seconds; the suffix keeps a quick restart from overwriting the file before.
            self._writer = EventsWriter(str(self._directory / "events"), f".{os.getpid()}.{steps_done}")
            self._begin(config, steps_done)
        except OSError as error:
            raise OutputError(f"cannot write TensorBoard files to {self._directory}: {error}") from error
        self._uploaded = time.monotonic()

    def log(self, steps: Sequence[StepMetrics]) -> None:
        """Append steps, readable at once (in object storage within UPLOAD_INTERVAL_S)."""
        for metrics in steps:
            event = Event(step=metrics.step, wall_time=time.time())
            for name, value in scalars(metrics).items():
                event.summary.MergeFrom(summary.scalar(name, value))
            self._writer.write_event(event)
        self._writer.flush()
        if time.monotonic() - self._uploaded > UPLOAD_INTERVAL_S:
            self._upload()

    def close(self, failed: bool) -> None:
        """Close the file and upload it where storage is remote."""
        self._writer.close()
        self._upload()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _begin(self, config: StageConfig, steps_done: int) -> None:
        # At a session's start TensorBoard forgets all steps from its number on, of earlier files too.
        session = SessionLog(status=SessionLog.START)
        self._writer.write_event(Event(step=steps_done + 1, wall_time=time.time(), session_log=session))
        shown = "\n".join(f"    {line}" for line in config.model_dump_json(indent=2).splitlines())
        text = summary.text("config", shown)
        self._writer.write_event(Event(step=steps_done + 1, wall_time=time.time(), summary=text))
        self._writer.flush()

    def _upload(self) -> None:
        if self._temporary is not None:
            self._storage.upload(self._directory, DIRECTORY)
        self._uploaded = time.monotonic()
