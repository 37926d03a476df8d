"""Checkpoints of a retriever's training: one directory for each, and how a single process keeps them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

_PREFIX = "step_"


class Checkpoints(Protocol):
    """Where checkpoints go. Every worker calls each method equally often."""

    def newest(self) -> AbstractContextManager[Path | None]:
        """The newest checkpoint's directory, or None; it may be gone after the block."""
        ...

    def save(self, step: int, write: Callable[[Path], None]) -> None:
        """Keep what `write` puts into an empty directory; only rank 0's is called."""
        ...


class LocalCheckpoints:
    """Checkpoints of a single process, as `<directory>/step_00000123`; each is whole or absent."""

    def __init__(self, directory: Path, keep: int) -> None:
        self._directory = directory
        self._keep = keep

    @contextmanager
    def newest(self) -> Iterator[Path | None]:
        """See Checkpoints."""
        found = self._found()
        yield found[-1] if found else None

    def save(self, step: int, write: Callable[[Path], None]) -> None:
        """See Checkpoints."""
        partial = self._directory / ".partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        write(partial)
        target = self._directory / f"{_PREFIX}{step:08d}"
        shutil.rmtree(target, ignore_errors=True)
        partial.replace(target)
        for old in self._found()[: -self._keep]:
            shutil.rmtree(old)

    def _found(self) -> list[Path]:
        return sorted(self._directory.glob(f"{_PREFIX}*"))
