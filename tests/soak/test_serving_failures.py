"""Kills and updates of a serving endpoint, and half an hour of load: `make soak`; numbers in docs/promises.md."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(6 * 3600)

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("serving_failures.py", []),
        ("serving_failures.py", ["--front", "--only", "nothing", "proxy", "controller", "ingress"]),
        ("overload.py", []),
        ("serving_soak.py", []),
    ],
    ids=["kills and updates", "kills behind HAProxy", "overload", "half an hour"],
)
def test_what_is_promised_holds(script: str, arguments: list[str]) -> None:
    """The script fails when it does not; here it runs in full."""
    command = [sys.executable, str(BENCHMARKS / script), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr[-20_000:]
