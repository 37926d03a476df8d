import json
import subprocess
import sys
from pathlib import Path

import pytest

JOBS = Path(__file__).parents[2] / "jobs"
HEAVY = {"torch", "ray", "transformers", "deepspeed", "numpy", "pyarrow", "peft"}


@pytest.mark.parametrize("job", ["edit_tokenizer", "train_stg1", "train_stg2", "merge_lora"])
@pytest.mark.parametrize("flag", ["--help", "--dry-run"])
def test_help_and_dry_run_load_nothing_heavy(job: str, flag: str) -> None:
    command = [sys.executable, "-X", "importtime", str(JOBS / f"{job}.py"), flag]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    imported = {line.rsplit("|", 1)[-1].strip() for line in answer.stderr.splitlines() if "import time" in line}
    assert imported & HEAVY == set()
    assert "octupus.config" in imported
    if flag == "--dry-run":
        json.loads(answer.stdout)


def test_an_error_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, str(JOBS / "train_stg1.py"), "--data.directory", str(tmp_path)]
    command = [sys.executable, str(JOBS / "train_stg1.py"), str(JOBS / "train_stg1.yaml"), *command[2:]]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: ")
    assert "does not exist" in answer.stderr
    assert "Traceback" not in answer.stderr
