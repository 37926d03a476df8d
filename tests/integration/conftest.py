"""What several integration tests share: one small quickstart, run once. Ray, DeepSpeed and vLLM are the real ones."""

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml

ROOT = Path(__file__).parents[2]

# The quickstart's own files, but a few seconds of training instead of minutes.
SMALLER: dict[str, dict[str, Any]] = {
    "make_small_model": {
        "corpora": {"directory": "/tmp/octupus/quickstart/corpora", "chat": 300, "calls": 300},
        "vocabulary": 800,
        "hidden_size": 64,
        "layers": 2,
        "heads": 2,
    },
    "train_stg1": {"data": {"steps": 40}},
    "train_stg2": {"data": {"steps": 120}},
}


@pytest.fixture(scope="module")
def private_ray() -> Iterator[None]:
    """A Ray instance of this module's own: never the one that `ray start` left an address of."""
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield
    ray.shutdown()


@dataclass(frozen=True)
class SmallQuickstart:
    """A finished run."""

    directory: Path
    jobs: Path
    report: dict[str, Any]
    output: str


@pytest.fixture(scope="session")
def small_quickstart(tmp_path_factory: pytest.TempPathFactory) -> SmallQuickstart:
    """`octupus quickstart` with smaller numbers, in a process of its own."""
    root = tmp_path_factory.mktemp("quickstart")
    jobs = root / "jobs"
    shutil.copytree(ROOT / "jobs" / "quickstart", jobs)
    for name, changes in SMALLER.items():
        file = jobs / f"{name}.yaml"
        values = yaml.safe_load(file.read_text())
        for key, value in changes.items():
            values[key] = values[key] | value if isinstance(value, dict) else value
        file.write_text(yaml.safe_dump(values))
    answer = run_quickstart(jobs, "--directory", str(root / "run"), "--requests", "20", "--port", "8471")
    assert answer.returncode == 0, answer.stderr[-5000:]
    report = json.loads((root / "run" / "report.json").read_text())
    return SmallQuickstart(root / "run", jobs, report, answer.stdout)


def run_quickstart(jobs: Path, *arguments: str, timeout: int = 600) -> subprocess.CompletedProcess[str]:
    """The command line, with another folder of step files."""
    code = (
        "import sys; from pathlib import Path; from octupus.quickstart import line; from octupus.cli import main; "
        "line.JOBS = Path(sys.argv[1]); sys.exit(main(['quickstart', *sys.argv[2:]]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(jobs), *arguments], capture_output=True, text=True, cwd=ROOT, timeout=timeout
    )
