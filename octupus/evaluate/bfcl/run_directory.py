"""The directory of one run: what it measures, the harness's own files, and what is published.

run.json       what is measured: written once, and compared by every later start
bfcl/          a project root of the harness, used by this run alone
harness.log    what the harness printed
scores.json    the scores, only while they may be trusted
report.html    the same for people
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from octupus import versions
from octupus.errors import EvaluationError
from octupus.telemetry import git_revision, write_json


class RunDirectory:
    """One run's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path.absolute() / "bfcl"
        self.log = path / "harness.log"
        self.scores = path / "scores.json"
        self.report = path / "report.html"
        self._record = path / "run.json"

    def claim(self, measured: dict[str, Any]) -> None:
        """Begin the run, or go on with it.

        Raises EvaluationError, with nothing changed, when the directory holds something else.
        """
        if not self._record.is_file():
            if self.path.exists() and any(self.path.iterdir()):
                raise EvaluationError(f"output: {self.path} holds files and no run of BFCL; name another directory")
            begun = {"measured": measured, "versions": versions.installed(), "git_revision": git_revision()}
            write_json(self._record, begun)
            return
        there = json.loads(self._record.read_text())["measured"]
        other = [
            f"{key}: {there.get(key)!r} there, {value!r} here"
            for key, value in measured.items()
            if there.get(key) != value
        ]
        if other:
            raise EvaluationError(
                f"output: {self.path} is a run of something else ({'; '.join(other)}); name another directory"
            )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Raises EvaluationError while another process works on the run."""
        with self._record.open() as record:
            try:
                fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise EvaluationError(f"output: another process is at work in {self.path}") from error
            yield

    def withdraw(self) -> None:
        """Take earlier scores away: they say nothing of what is about to be measured."""
        self.scores.unlink(missing_ok=True)
        self.report.unlink(missing_ok=True)
