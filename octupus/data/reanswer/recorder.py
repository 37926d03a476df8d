"""The one writer of the ledger: a Ray actor beside the job, which returns when what it was given is on the disk.

It outlives a killed job by the moment that Ray needs to notice, so it holds a lock: the next run waits for its end.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from octupus.data.reanswer.ledger import LEDGER, LedgerError, check_settings, opening_lines, outcome_line, read_index
from octupus.endpoint.outcome import Answer, Outcome

LOCK_WAIT_S = 30.0
Turn = tuple[int, int, int]
"""Row, part, and position of the message."""


class Recorder:
    """Appends outcomes; those that come while the disk is busy share the next write."""

    def __init__(self, output: Path, settings: dict[str, Any], lock_wait_s: float = LOCK_WAIT_S) -> None:
        self._output = output
        self._path = output / LEDGER
        self._settings = settings
        self._lock_wait_s = lock_wait_s
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._unsettled: dict[tuple[int, int], dict[int, Answer]] = {}

    async def open(self) -> int:
        """Make the ledger this run's, and give its size up to where this run begins. Raises LedgerError."""
        # Not in the constructor, since Ray keeps a constructor's error as text only.
        self._lock = os.open(self._output / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        await _wait_for_lock(self._lock, self._output, self._lock_wait_s)
        check_settings(self._path, self._settings)
        before = read_index(self._path).size
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        os.ftruncate(self._file, before)  # drops a torn line
        self._size = before
        self._write(opening_lines(self._settings if before == 0 else None, _now()))
        _sync_directory(self._output)
        self._started = time.monotonic()
        return before

    async def record(self, turn: Turn, outcome: Outcome) -> Outcome:
        """Append an outcome; returns when it is on the disk. Of two answers to one turn the first counts.

        Gives the outcome that counts.
        """
        row, part, position = turn
        answered = self._unsettled.setdefault((row, part), {})
        if position in answered:
            return answered[position]
        if isinstance(outcome, Answer):
            answered[position] = outcome
        line = outcome_line(row, part, position, outcome, time.monotonic() - self._started)
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((line, written))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush())
        await written
        return outcome

    async def answered(self, conversations: list[tuple[int, int]]) -> list[dict[int, Answer]]:
        """Answers of this run, for an actor that begins again what another one died over."""
        return [self._unsettled.get(place, {}) for place in conversations]

    async def settle(self, conversations: list[tuple[int, int]]) -> None:
        """Forget conversations that will not be asked again in this run."""
        for place in conversations:
            self._unsettled.pop(place, None)

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._write, b"".join(line for line, _ in batch))
            except OSError as error:  # such as a full disk; whoever waits must hear of it
                for _, written in batch:
                    written.set_exception(LedgerError(f"cannot write {self._path}: {error}"))
                continue
            for _, written in batch:
                if not written.done():  # a caller may have gone
                    written.set_result(None)

    def _write(self, data: bytes) -> None:
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self._size + written)
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)  # half a line would spoil the one behind it
            raise
        self._size += len(data)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


async def _wait_for_lock(descriptor: int, output: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise LedgerError(f"another run writes to {output}; wait for its end, or end it") from error
        except OSError as error:
            if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
                return  # a file system without locks; then it is the user's to start one run at a time
            raise
        await asyncio.sleep(0.2)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
