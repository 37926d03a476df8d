"""Configuration: precedence, flags, help, and errors that name the way out."""

import json
import random
import string
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import pytest
import yaml
from pydantic import BaseModel

from octupus.check_files import check_file, check_files
from octupus.config import StrictModel, load, read_yaml
from octupus.errors import ConfigError
from octupus.train.config import StageConfig

ROOT = Path(__file__).parents[1]
SHIPPED = sorted([*(ROOT / "jobs").rglob("*.yaml"), *(ROOT / "serve_configs").rglob("*.yaml")])
JOBS = sorted((ROOT / "jobs").glob("*.py"))


class Inner(StrictModel):
    """Inner."""

    rate: float = 1.0
    """The rate."""
    name: str = "x"
    """A name."""
    on: bool = False
    """A switch."""


class Item(StrictModel):
    """Item."""

    path: Path
    """A path."""
    kind: Literal["a", "b"] = "a"
    """A kind."""


class Outer(StrictModel):
    """What the job does."""

    inner: Inner = Inner()
    items: tuple[Item, ...] = ()
    """Some items."""
    count: int = 3
    """How many."""


def loaded(*arguments: str, default_file: Path | None = None) -> Outer:
    return load(Outer, default_file, arguments)


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        loaded(*arguments)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_flags_win_over_files_and_later_files_over_earlier(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("inner: {rate: 2e-5, name: first}\ncount: 4\nitems: [{path: a}, {path: b}]\n")
    second.write_text("inner: {name: second}\n")
    config = loaded(str(first), str(second), "--count", "5", "--items.1.kind=b", "--inner.on")
    assert config.inner == Inner(rate=2e-5, name="second", on=True)
    assert config.count == 5
    assert config.items == (Item(path=Path("a")), Item(path=Path("b"), kind="b"))
    assert loaded(default_file=first).count == 4
    assert loaded("--inner.on", "--count", "7").count == 7


def test_a_text_field_keeps_the_flag_as_it_is_written() -> None:
    assert loaded("--inner.name", "007").inner.name == "007"
    assert loaded("--inner.name=true").inner.name == "true"


@pytest.mark.parametrize(
    ("text", "arguments", "expected"),
    [
        ("inner: {rat: 1}", [], "unknown key 'inner.rat'.*did you mean 'inner.rate'"),
        ("items: [{path: a, kindd: b}]", [], "did you mean 'items.0.kind'"),
        ("count: 1\ncount: 2", [], r"file.yaml:2: key 'count' is written twice"),
        ("count: many", [], "count: Input should be a valid integer"),
        ("items: [{}]", [], "'items.0.path' is required"),
        ("- 1", [], "must hold a mapping"),
        ("a: [", [], "is not valid YAML"),
        ("", ["--count"], "flag --count needs a value"),
        ("", ["--countt", "3"], "did you mean 'count'"),
        ("", ["--items.0.path", "x"], "items"),
    ],
)
def test_what_is_wrong_is_named(
    text: str, arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    file = tmp_path / "file.yaml"
    file.write_text(text)
    assert re.search(expected, failure(capsys, str(file), *arguments))


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere.yaml does not exist" in failure(capsys, "nowhere.yaml")


def test_help_and_dry_run_exit_with_zero(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        loaded("--help")
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert "--inner.rate  float, default 1.0\n        The rate." in shown
    with pytest.raises(SystemExit) as stopped:
        loaded("--dry-run", "--count", "9")
    assert stopped.value.code == 0
    assert json.loads(capsys.readouterr().out)["count"] == 9


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_shipped_file_is_right(file: Path) -> None:
    check_file(file)


def test_check_counts_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train_x.yaml").write_text("run: {name: x, storag: y}\n")
    assert check_files([tmp_path]) == 2
    assert "did you mean 'run.storage'" in capsys.readouterr().out


def test_typos_are_refused_with_the_right_suggestion(tmp_path: Path) -> None:
    """One-character mistakes in the keys of a real file: every one is refused, nearly all with the right hint."""
    values = read_yaml(ROOT / "jobs/train_stg1.yaml")
    paths = list(_key_paths(values, StageConfig))
    randomness = random.Random(0)
    right = 0
    for _ in range(200):
        path = randomness.choice(paths)
        wrong = _mistyped(path[-1], randomness)
        changed = json.loads(json.dumps(values))
        target = changed
        for part in path[:-1]:
            target = target[part]
        target[wrong] = target.pop(path[-1])
        file = tmp_path / "train_stg1.yaml"
        file.write_text(yaml.safe_dump(changed))
        with pytest.raises(ConfigError) as refused:
            check_file(file)
        right += f"did you mean {'.'.join(path)!r}" in str(refused.value)
    assert right >= 190


def _key_paths(
    values: dict[str, object], model: type[BaseModel], prefix: tuple[str, ...] = ()
) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in values.items():
        found.append((*prefix, key))
        if isinstance(value, dict):
            found += _key_paths(value, model, (*prefix, key))
    return found


def _mistyped(word: str, randomness: random.Random) -> str:
    while True:
        position = randomness.randrange(len(word))
        letter = randomness.choice(string.ascii_lowercase)
        wrong = randomness.choice(
            [word[:position] + letter + word[position:], word[:position] + letter + word[position + 1 :]]
            + ([word[:position] + word[position + 1 :]] if len(word) > 3 else [])
        )
        if wrong != word and wrong not in StageConfig.model_fields:
            return wrong


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_help_of_every_job_loads_nothing_heavy(job: Path) -> None:
    code = (
        "import runpy, sys\n"
        "try: runpy.run_path(sys.argv[1], run_name='__main__')\n"
        "except SystemExit as stopped: assert not stopped.code\n"
        "print(sorted({'torch', 'ray', 'vllm', 'transformers', 'deepspeed'} & set(sys.modules)))"
    )
    started = time.monotonic()
    answer = subprocess.run([sys.executable, "-c", code, str(job), "--help"], capture_output=True, text=True, cwd=ROOT)
    assert time.monotonic() - started < 20, "--help hangs"
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "[]"
