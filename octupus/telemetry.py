"""Logging, progress, and the record that every run leaves beside its outputs.

One line per event through the standard `logging` module (Ray captures it per worker); progress bars through rich,
silent when standard error is no terminal.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from octupus import versions


def configure_logging(level: int = logging.INFO) -> None:
    """Send octupus's events to standard error, one line each, and keep other libraries' progress bars away."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("octupus")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False


def event(logger: logging.Logger, name: str, **fields: Any) -> None:
    """Log one event as `name key=value ...`."""
    logger.info("%s %s", name, " ".join(f"{key}={_shown(value)}" for key, value in fields.items()))


def console() -> Console:
    """The console for people: standard error, so that standard output stays free for results."""
    return Console(stderr=True)


@contextmanager
def progress(description: str, total: float | None = None) -> Iterator[Progress]:
    """A rich progress bar with one task, id 0; nothing is shown when standard error is no terminal."""
    target = console()
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        console=target,
        disable=not target.is_terminal,
        transient=True,
    ) as bar:
        bar.add_task(description, total=total, note="")
        yield bar


def git_revision() -> str | None:
    """The commit of the working directory, or None outside a checkout."""
    try:
        answer = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, timeout=10)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


def run_record(config: BaseModel) -> dict[str, Any]:
    """What made a run's outputs: the resolved configuration, versions and git revision."""
    return {"config": config.model_dump(mode="json"), "versions": versions.installed(), "git_revision": git_revision()}


def write_run_record(directory: Path, config: BaseModel) -> None:
    """Write the run record as `run.json` in `directory`."""
    write_json(directory / "run.json", run_record(config))


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is either whole or absent, whenever the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def _shown(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text else text
