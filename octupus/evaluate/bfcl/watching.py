"""Runs the harness as a process of its own and watches what it writes: progress, and whether it is worth going on."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octupus.errors import EvaluationError
from octupus.evaluate.bfcl import harness
from octupus.evaluate.bfcl.results import FAILED
from octupus.telemetry import event, progress

logger = logging.getLogger("octupus.evaluate.bfcl")

POLL_S = 0.5
LAST_LINES = 12


class GaveUpError(EvaluationError):
    """The harness was stopped because every item failed, or none ended."""


@dataclass(frozen=True)
class Patience:
    """When a run is not worth going on with; see EvaluateBfclConfig."""

    give_up_after: int
    stalled_after_s: float


def run_harness(python: Path, job: Mapping[str, Any], environment: Mapping[str, str], log: Path) -> int:
    """Run one job of `harness.py` to its end; its exit status. Raises EvaluationError when it cannot start."""
    with _started(python, job, environment, log) as process:
        return process.wait()


def watch_harness(
    python: Path,
    job: Mapping[str, Any],
    environment: Mapping[str, str],
    log: Path,
    total: int,
    patience: Patience,
    on_time: Callable[[float], None],
) -> None:
    """Run a job that generates `total` answers, with a progress bar that tells rate and time left.

    `on_time` is told the seconds that have passed, again and again, for however the run ends.

    Raises GaveUpError when patience ends, and EvaluationError when the harness fails; what was answered is kept.
    """
    # Answers to chosen items are sorted in as they come; all others are appended.
    results = _Results(Path(environment["BFCL_PROJECT_ROOT"]) / "result", appended=not job["ids"])
    results.read()  # those of earlier starts
    before = results.items
    started = last_ended = time.monotonic()
    with _started(python, job, environment, log) as process, progress("asking", total=total) as bar:
        while process.poll() is None:
            time.sleep(POLL_S)
            items = results.items
            results.read()
            now = time.monotonic()
            on_time(now - started)
            last_ended = now if results.items > items else last_ended
            done = results.items - before
            rate = done / (now - started)
            left = f"{(total - done) / rate:,.0f} s left" if done else ""
            failed = f", {results.failed} failed" if results.failed else ""
            bar.update(bar.task_ids[0], completed=done, note=f"{rate:.2f}/s, {left}{failed}")
            kept = f"What was answered is kept: mend the endpoint and run the same command again ({log})"
            if results.failed_in_a_row >= patience.give_up_after:
                failed_items = f"{results.failed_in_a_row} items failed one after the other"
                raise GaveUpError(f"{failed_items}, the last with: {results.last_error}; stopped. {kept}")
            if now - last_ended > patience.stalled_after_s:
                stalled = f"no item ended for {patience.stalled_after_s:g} s"
                why = "the server is silent, or answers 429, which the harness repeats for ever"
                raise GaveUpError(f"{stalled}: {why}; stopped. {kept}")
        if process.returncode != 0:
            raise EvaluationError(f"the harness ended with {process.returncode}: {_end_of(log)} (all of it: {log})")
    event(logger, "answers_generated", items=results.items - before, seconds=time.monotonic() - started)


@contextmanager
def _started(
    python: Path, job: Mapping[str, Any], environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The process while the block runs; leaving early ends it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(python), harness.__file__],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=log.parent,
            start_new_session=True,  # Ctrl-C reaches octupus alone, which then ends it
        )
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if process.stdin is not None:
                process.stdin.close()


class _Results:
    """The harness's result files, read as they grow."""

    def __init__(self, directory: Path, appended: bool) -> None:
        self._directory = directory
        self._appended = appended
        self._ids: set[str] = set()
        self._places: dict[Path, int] = {}
        self.failed = 0
        self.failed_in_a_row = 0
        self.last_error = ""

    @property
    def items(self) -> int:
        """Items with a result."""
        return len(self._ids)

    def read(self) -> None:
        """Look at what was added."""
        if not self._appended:
            self._places.clear()
        for file in self._directory.glob("**/*_result.json"):
            _each_new_line(file, self._places, self._take)

    def _take(self, line: bytes) -> None:
        row = json.loads(line)
        if row["id"] in self._ids:
            return
        self._ids.add(row["id"])
        result = row["result"]
        if isinstance(result, str) and result.startswith(FAILED):
            self.failed += 1
            self.failed_in_a_row += 1
            self.last_error = result.removeprefix(FAILED).removeprefix(": ")[:300]
        else:
            self.failed_in_a_row = 0


def _each_new_line(file: Path, places: dict[Path, int], take: Callable[[bytes], None]) -> None:
    with file.open("rb") as stream:
        place = places.get(file, 0)
        stream.seek(max(place - 1, 0))
        if place and stream.read(1) != b"\n":  # the harness has sorted the file meanwhile
            stream.seek(0)
        for line in stream:
            if not line.endswith(b"\n"):
                return  # still being written
            take(line)
            places[file] = stream.tell()


def _end_of(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " | ".join(line.strip() for line in lines[-LAST_LINES:])
