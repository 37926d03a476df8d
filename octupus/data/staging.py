"""Output that appears whole or not at all: written beside its place under another name, then renamed."""

from __future__ import annotations

import glob
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from octupus.data.manifest import MANIFEST
from octupus.errors import ManifestError


def refuse_foreign(output: Path) -> None:
    """Raises ManifestError when `output` holds something that is not prepared data, which must not be replaced."""
    if output.is_dir() and not (output / MANIFEST).is_file() and any(output.iterdir()):
        raise ManifestError(
            f"output {output} exists and is no prepared data; choose another directory or remove this one"
        )
    if output.exists() and not output.is_dir():
        raise ManifestError(f"output {output} is a file; choose a directory that does not exist yet")


@contextmanager
def staged(output: Path, keep: bool = True) -> Iterator[Path]:
    """A fresh directory that becomes `output` when the block ends (unless not `keep`), and is removed when it fails.

    A process killed within leaves a directory `.NAME.partial-HOST-PID`, which the next run on that host removes, and
    `output` as it was.
    """
    output = output.absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(output)
    partial = output.with_name(f".{output.name}.partial-{platform.node()}-{os.getpid()}")
    partial.mkdir()
    try:
        yield partial
        if keep:
            _replace(partial, output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def remove_abandoned(output: Path) -> None:
    """Remove what processes of this host left behind when they were killed while they wrote `output`."""
    for abandoned in output.parent.glob(f".{glob.escape(output.name)}.partial-{glob.escape(platform.node())}-*"):
        process = abandoned.name.rpartition("-")[2]
        if process.isdecimal() and (int(process) == os.getpid() or not Path(f"/proc/{process}").exists()):
            shutil.rmtree(abandoned, ignore_errors=True)


def _replace(partial: Path, output: Path) -> None:
    replaced = output.with_name(f".{output.name}.replaced-{os.getpid()}")
    shutil.rmtree(replaced, ignore_errors=True)
    if output.exists():
        output.rename(replaced)
    partial.rename(output)
    shutil.rmtree(replaced, ignore_errors=True)
