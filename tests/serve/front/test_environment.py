"""The environment that puts HAProxy in front."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

from octupus.serve.front.environment import front_environment, shell_exports


def test_a_shell_that_evaluates_the_lines_has_the_environment() -> None:
    environment = front_environment() | {"QUOTED": "it's $HOME"}
    command = (
        f'{shell_exports(environment)}\n{sys.executable} -c "import json, os; print(json.dumps(dict(os.environ)))"'
    )
    shell = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert environment.items() <= json.loads(shell.stdout).items()


def test_serve_reads_every_variable_it_is_given() -> None:
    package = importlib.util.find_spec("ray")
    assert package is not None
    assert package.origin is not None
    constants = (Path(package.origin).parent / "serve" / "_private" / "constants.py").read_text()
    assert [name for name in front_environment() if name.startswith("RAY_") and f'"{name}"' not in constants] == []


def test_asking_too_late_is_refused() -> None:
    code = """
import ray.serve
from octupus.errors import ConfigError
from octupus.serve.front.environment import enable_front
try:
    enable_front()
except ConfigError as error:
    print(error)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "before ray.serve is imported" in answer.stdout
