"""Many random turns over a real vocabulary of 151k entries: `make soak`; numbers in docs/promises.md."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from octupus.decoding.backends import BACKENDS

pytestmark = pytest.mark.timeout(3600)

ROOT = Path(__file__).parents[2]
TURNS = 10_000


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_every_random_turn_is_valid_and_inside_its_budget(backend: str, shared: Callable[[str], Path]) -> None:
    command = [
        *(sys.executable, ROOT / "benchmarks" / "random_turns.py", "--turns", TURNS, "--backends", backend),
        *("--tokenizer", shared("qwen_tokenizer")),
        *("--schemas", shared("corpora/json_schemas/maskbench_sample.jsonl")),
    ]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
