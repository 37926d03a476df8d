"""Keeps what vLLM's processes say when they cannot start, so that the replica can tell it.

In the replica, vLLM says only "Engine core initialization failed. See root cause above": the cause is in the log of a
process that is gone. octupus's plugin runs in each of those processes, and writes the errors that they log into a file
that the replica names in the environment.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE_VARIABLE = "OCTUPUS_ENGINE_START_ERRORS"


class StartErrors:
    """The file of one start."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def root_cause(self) -> str:
        """The first error that a process logged, or nothing."""
        lines = self._file.read_text("utf-8", errors="replace").splitlines() if self._file.is_file() else []
        return lines[0] if lines else ""


@contextmanager
def start_errors() -> Iterator[StartErrors]:
    """Processes that start while the block runs write their errors into a file, which is gone behind it."""
    with tempfile.TemporaryDirectory(prefix="octupus-start-") as directory:
        file = Path(directory) / "errors"
        os.environ[FILE_VARIABLE] = str(file)
        try:
            yield StartErrors(file)
        finally:
            del os.environ[FILE_VARIABLE]


def record() -> None:
    """Write this process's errors of vLLM, if it was started under `start_errors`. May be called many times."""
    file = os.environ.get(FILE_VARIABLE)
    logger = logging.getLogger("vllm")
    for handler in [handler for handler in logger.handlers if isinstance(handler, _ErrorLines)]:
        logger.removeHandler(handler)
    if file:
        logger.addHandler(_ErrorLines(Path(file)))


class _ErrorLines(logging.Handler):
    """One line an error: the exception and its text, or the message."""

    def __init__(self, file: Path) -> None:
        super().__init__(logging.ERROR)
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        if not self._file.parent.is_dir():
            return  # the start is over
        error = record.exc_info[1] if record.exc_info else None
        text = record.getMessage() if error is None else f"{type(error).__name__}: {error}"
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(" ".join(text.split()) + "\n")
