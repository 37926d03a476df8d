"""The harness's own virtual environment: made once, kept, and shared by all runs.

bfcl-eval pins packages that octupus cannot live with (an old numpy), so it is never imported here. Two of its
dependencies serve the category memory_vector alone and bring a whole torch; they are left out until that is asked for.
"""

from __future__ import annotations

import fcntl
import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from octupus.errors import EvaluationError
from octupus.evaluate.bfcl.config import HARNESS_VERSION
from octupus.telemetry import event

logger = logging.getLogger("octupus.evaluate.bfcl")

VECTOR_PACKAGES = ("sentence-transformers", "faiss-cpu")
UNDECLARED_PACKAGES = ("soundfile",)
"""What a dependency (qwen-agent) imports and does not ask for."""

_REQUIREMENTS = (
    "import json, importlib.metadata as metadata; "
    "print(json.dumps([line for line in metadata.requires('bfcl-eval') if 'extra ==' not in line]))"
)
_VERSIONS = (
    "import json, platform, importlib.metadata as metadata; "
    "print(json.dumps({'python': platform.python_version()} | "
    "{name: metadata.version(name) for name in ('bfcl-eval', 'openai', 'numpy')}))"
)


def environment(directory: Path, with_vectors: bool) -> Path:
    """Its Python; made where it is not there yet, which takes a minute. Raises EvaluationError."""
    # Not resolved: through the link is how Python finds its environment.
    directory = directory.expanduser().absolute()
    python = directory / "bin" / "python"
    stamp = directory / "octupus-installed"
    wanted = {"bfcl-eval": HARNESS_VERSION, "vectors": with_vectors, "python": sys.version}
    with _alone(directory):
        made = json.loads(stamp.read_text()) if stamp.is_file() else {}
        if made == wanted or made == wanted | {"vectors": True}:
            return python
        started = time.monotonic()
        event(logger, "harness_installing", directory=directory)
        if directory.exists() and not (directory / "pyvenv.cfg").is_file() and any(directory.iterdir()):
            raise EvaluationError(f"environment: {directory} is no virtual environment; name another directory")
        shutil.rmtree(directory, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(directory)])
        _pip(python, ["--no-deps", f"bfcl-eval=={HARNESS_VERSION}"])
        requirements = [*_requirements(python, with_vectors), *UNDECLARED_PACKAGES]
        _pip(python, requirements)
        subprocess.run([str(python), "-m", "compileall", "-qq", str(directory / "lib")], check=False)
        stamp.write_text(json.dumps(wanted))
        event(logger, "harness_installed", seconds=time.monotonic() - started)
    return python


def harness_versions(python: Path) -> dict[str, str]:
    """Versions of the harness and of what its answers depend on."""
    versions: dict[str, str] = json.loads(_run([str(python), "-c", _VERSIONS]))
    return versions


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Two runs that start at once must not both make it."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_name(f"{directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _requirements(python: Path, with_vectors: bool) -> list[str]:
    declared: list[str] = json.loads(_run([str(python), "-c", _REQUIREMENTS]))
    return [line for line in declared if with_vectors or not line.startswith(VECTOR_PACKAGES)]


def _pip(python: Path, packages: Sequence[str]) -> None:
    _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", *packages])


def _run(command: Sequence[str]) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise EvaluationError(
            f"the harness's environment cannot be made: `{' '.join(command[:6])} ...` ended with "
            f"{answer.returncode}: {answer.stderr.strip()[-1500:]}"
        )
    return answer.stdout
