"""Writing and reading the state of a run: the engine's shards and the workers' random generators.

A worker writes its share to its own disk, which the step waits for, and a thread stores it while training goes on.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from octupus import versions
from octupus.errors import OutputError
from octupus.train.checkpoint import store
from octupus.train.checkpoint.storage import Storage
from octupus.train.checkpoint.store import Checkpoint, RunIdentity, share_name, share_record
from octupus.train.config import StageConfig
from octupus.train.engine.interface import Engine
from octupus.train.group import WorkerGroup
from octupus.train.node import first_of_node, node_directory

ENGINE_STATE = "ds"


@dataclass(frozen=True)
class _Pending:
    """A checkpoint that is being stored."""

    checkpoint: Checkpoint
    share: Future[None]


class CheckpointWriter:
    """Writes the checkpoints of one worker."""

    def __init__(self, storage: Storage, config: StageConfig, identity: RunIdentity, group: WorkerGroup) -> None:
        self._storage = storage
        self._config = config
        self._identity = identity
        self._group = group
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: _Pending | None = None
        place = hashlib.sha256(storage.location.encode()).hexdigest()[:12]
        self._prefix = f"octupus_checkpoint_{place}_{group.rank}_"
        # A worker that was killed while it wrote a checkpoint has left its share here.
        for left in Path(tempfile.gettempdir()).glob(f"{self._prefix}*"):
            shutil.rmtree(left, ignore_errors=True)

    @property
    def stored(self) -> bool:
        """Whether this worker's share of a checkpoint that is not yet committed is stored."""
        return self._pending is not None and self._pending.share.done() and self._pending.share.exception() is None

    @property
    def problem(self) -> str | None:
        """Why storing the share failed, if it did."""
        if self._pending is None or not self._pending.share.done():
            return None
        error = self._pending.share.exception()
        if error is None:
            return None
        if not isinstance(error, OutputError):
            raise error
        return f"the checkpoint of step {self._pending.checkpoint.step} could not be stored: {error}"

    def save(self, engine: Engine, step: int, tokens: int) -> None:
        """Write a checkpoint and begin to store it; waits for an earlier one first. Collective."""
        self.finish()
        rank = self._group.rank
        directory = Path(tempfile.mkdtemp(prefix=self._prefix))
        try:
            engine.save(directory / ENGINE_STATE)
            torch.save(_random_state(), directory / f"rng_{rank}.pt")
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError that does not say so
            free = shutil.disk_usage(directory).free
            shutil.rmtree(directory, ignore_errors=True)
            raise OutputError(
                f"the checkpoint of step {step} cannot be written to {directory}, where {free >> 20} MiB were free: "
                f"{error}; free space there, or set TMPDIR to a larger disk"
            ) from error
        checkpoint = Checkpoint(
            step=step,
            tokens=tokens,
            workers=self._group.world,
            identity=dict(self._identity.values),
            config=self._config.model_dump(mode="json"),
            versions=versions.installed(),
        )
        self._pending = _Pending(checkpoint, self._thread.submit(self._store, directory, checkpoint.directory))

    def commit(self) -> None:
        """Make the stored checkpoint count and delete old ones. To be called when `stored` holds on all workers.

        Raises OutputError on rank 0 alone, which is the one that writes.
        """
        if self._pending is None:
            return
        checkpoint, self._pending = self._pending.checkpoint, None
        if self._group.rank == 0:
            store.commit(self._storage, checkpoint)
            store.prune(self._storage, self._config.checkpoint.keep)

    def finish(self) -> None:
        """Wait until the checkpoint counts. Collective; raises TrainingError on every worker when it cannot."""
        if self._pending is None:
            return
        self._pending.share.exception()
        self._group.agree(self.problem)
        failure = None
        try:
            self.commit()
        except OutputError as error:
            failure = str(error)
        self._group.agree(failure)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=True)

    def _store(self, directory: Path, name: str) -> None:
        try:
            sizes = {
                str(path.relative_to(directory)): path.stat().st_size for path in directory.rglob("*") if path.is_file()
            }
            self._storage.upload(directory, name)
            self._storage.write(f"{name}/{share_name(self._group.rank)}", share_record(sizes))
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def find_checkpoint(storage: Storage, group: WorkerGroup) -> Checkpoint | None:
    """The checkpoint to continue from, the same on every worker; beginnings of newer ones are deleted. Collective."""
    found = None
    if group.rank == 0:
        found = store.newest(storage)
        store.clear_after(storage, found.step if found else 0)
    chosen: Checkpoint | None = group.from_first(found)
    return chosen


def restore(storage: Storage, checkpoint: Checkpoint, engine: Engine, group: WorkerGroup) -> None:
    """Load a checkpoint into the engine and the random generators. Collective.

    With another number of workers the generators start anew from their seeds: dropout then differs, packs do not. From
    object storage each node downloads it once. Raises TrainingError on every worker when one of the downloads fails.
    """
    if storage.local is not None:
        _load(storage.local / checkpoint.directory, checkpoint, engine, group)
        return
    copy = node_directory("restore")
    # Once a node: on 512 GPUs a download by each worker would be 55 TB of a 7B's checkpoint.
    group.agree(_download(storage, checkpoint, copy) if first_of_node() else None)
    _load(copy, checkpoint, engine, group)
    group.barrier()
    if first_of_node():
        shutil.rmtree(copy)


def _download(storage: Storage, checkpoint: Checkpoint, copy: Path) -> str | None:
    """Copy a checkpoint to this node; gives what went wrong, since the other workers wait to hear of it."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    try:
        storage.download(checkpoint.directory, copy)
    except OutputError as error:
        shutil.rmtree(copy)
        return str(error)
    return None


def _load(directory: Path, checkpoint: Checkpoint, engine: Engine, group: WorkerGroup) -> None:
    engine.load(directory / ENGINE_STATE, checkpoint.workers)
    if checkpoint.workers == group.world:
        # weights_only=False: the file is our own and holds numpy's and Python's generators, which are no tensors.
        _set_random_state(torch.load(directory / f"rng_{group.rank}.pt", weights_only=False))


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
