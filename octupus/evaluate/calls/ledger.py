"""The append-only file of what came back: one JSON line an answer, so that an interrupted run loses nothing.

The first line holds the settings that the answers depend on. A line without its end was being written when the
machine stopped; it is cut off before the next one is appended.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from octupus.config import changed_settings
from octupus.errors import EvaluationError
from octupus.evaluate.calls.question import Key

VERSION = 1


class RunDirectoryError(EvaluationError):
    """The output belongs to other settings, is damaged, in use, or no run directory at all."""


@dataclass
class Ledger:
    """The answers by key, as they were and as they are added. Of several answers to one key the last counts."""

    path: Path
    settings: Mapping[str, Any]
    answers: dict[Key, dict[str, Any]]
    _stream: IO[bytes] | None = None

    @contextmanager
    def open(self) -> Iterator[Ledger]:
        """Ready to append, for this process alone. Raises RunDirectoryError when another one is."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunDirectoryError(f"{self.path} is being written by another run; wait for its end") from error
            whole = _read(self.path, self.settings)
            self.answers = whole.answers
            stream.truncate(whole.size)
            self._stream = stream
            if not whole.size:
                self._append({"ledger": VERSION, "settings": dict(self.settings)})
            try:
                yield self
            finally:
                self._stream = None

    def add(self, key: Key, answer: dict[str, Any]) -> None:
        """Write an answer down; it is on its way to the disk when this returns."""
        self._append({"id": key[0], "position": key[1], "answer": answer})
        self.answers[key] = answer

    def _append(self, value: dict[str, Any]) -> None:
        assert self._stream is not None, "the ledger is not open"
        # ASCII, since a model's half characters must be kept as well.
        self._stream.write(json.dumps(value).encode("ascii") + b"\n")
        self._stream.flush()


def read_ledger(path: Path, settings: Mapping[str, Any]) -> Ledger:
    """The ledger at `path`; one that does not exist is empty, and nothing is written.

    Raises RunDirectoryError when it was begun with other settings, naming both values of each, or is damaged.
    """
    return Ledger(path, settings, _read(path, settings).answers)


def refuse_foreign(output: Path, ledger: str) -> None:
    """Raises RunDirectoryError when `output` is no directory, or holds files and no `ledger`."""
    if output.exists() and not output.is_dir():
        raise RunDirectoryError(f"output {output} is a file; choose a directory")
    if output.is_dir() and not (output / ledger).exists() and any(output.iterdir()):
        raise RunDirectoryError(f"output {output} exists and has no {ledger}; choose another directory")


@dataclass(frozen=True)
class _Whole:
    """What the whole lines of a file hold, and how many bytes they take."""

    answers: dict[Key, dict[str, Any]]
    size: int


def _read(path: Path, settings: Mapping[str, Any]) -> _Whole:
    answers: dict[Key, dict[str, Any]] = {}
    size = 0
    for number, value, end in _lines(path):
        size = end
        if number == 1:
            _check_settings(path, value, settings)
            continue
        try:
            answers[value["id"], value["position"]] = value["answer"]
        except (KeyError, TypeError) as error:
            raise RunDirectoryError(f"{path}:{number} is no answer; remove the line, and it is asked again") from error
    return _Whole(answers, size)


def _lines(path: Path) -> Iterator[tuple[int, Any, int]]:
    """Number, value and end of every whole line."""
    if not path.exists():
        return
    end = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.endswith(b"\n"):
                return
            end += len(line)
            try:
                yield number, json.loads(line), end
            except ValueError as error:
                raise RunDirectoryError(
                    f"{path}:{number} is no JSON: {error}; remove the line, and what it answered is asked again"
                ) from error


def _check_settings(path: Path, header: Any, settings: Mapping[str, Any]) -> None:
    if not isinstance(header, dict) or header.get("ledger") != VERSION or not isinstance(header.get("settings"), dict):
        raise RunDirectoryError(f"{path} does not begin as a ledger of version {VERSION}; choose another output")
    recorded = header["settings"]
    changed = changed_settings(recorded, settings)
    if changed:
        raise RunDirectoryError(
            f"{path.parent} holds answers to other settings: {'; '.join(changed)}; choose another output, or take the "
            "settings back"
        )
