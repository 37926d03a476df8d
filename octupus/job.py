"""What every job script does: read its configuration, run, and print what a person must mend without a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from octupus import versions
from octupus.config import load
from octupus.errors import OctupusError
from octupus.telemetry import configure_logging

Model = TypeVar("Model", bound=BaseModel)


def run_job(model: type[Model], default_file: Path, work: Callable[[Model], object]) -> int:
    """The exit code of a job: 0, or 2 when a person must change something first.

    `work` imports what is heavy itself, so that `--help` and `--dry-run` answer at once; what it returns is printed.
    """
    config = load(model, default_file)
    configure_logging()
    versions.warn_of_mismatches()
    try:
        print(work(config))
    except OctupusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
