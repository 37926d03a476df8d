"""A whole run: the files it writes, that they agree with each other, and what it refuses."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from octupus.agent.generate.config import GenerateConfig
from octupus.agent.generate.run import generate, write
from octupus.agent.generate.scenarios import SCENARIOS
from octupus.agent.generate.tasks import Task
from octupus.agent.judge.golden import read_golden
from octupus.agent.solve.queries import read_queries
from octupus.config import resolve
from octupus.errors import ConfigError
from tests.agent.generate.in_process_library import in_process_library

LIBRARY = in_process_library("bank", "calendar", "contacts", "mail", "currency", "weather", "units")


def run(output: Path, **settings: Any) -> dict[str, Any]:
    config = GenerateConfig.model_validate({"output": output, "count": 40, **settings})
    return dict(json.loads(asyncio.run(write(config, LIBRARY, list(SCENARIOS.values()))).read_text()))


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_files_of_a_run_agree(tmp_path: Path) -> None:
    summary = run(tmp_path)
    rows, tasks = lines(tmp_path / "conversations.jsonl"), lines(tmp_path / "tasks.jsonl")
    blueprints = summary["blueprints"]
    assert summary["conversations"] == len(rows) == 40 == blueprints["kept"]
    assert blueprints["tried"] == blueprints["kept"] + sum(blueprints["dropped"].values())
    for name in ("shapes", "kinds", "languages"):
        assert sum(summary[f"by_{name}"].values()) == 40
    assert summary["tasks"] == len(tasks) == sum(summary["by_tasks"].values()) > 5
    assert summary["unfilled"] == {}
    assert all(row["meta"]["final_state_sha256"] for row in rows)
    config = json.loads((tmp_path / "run.json").read_text())["config"]
    assert config["count"] == 40


def test_solvers_and_judges_read_the_tasks(tmp_path: Path) -> None:
    run(tmp_path)
    tasks = [Task.model_validate(task) for task in lines(tmp_path / "tasks.jsonl")]
    queries, golden = read_queries(tmp_path / "tasks.jsonl"), read_golden(tmp_path / "golden.jsonl")
    assert [(query.id, query.text, query.tools, query.seed) for query in queries] == [
        (task.id, task.query, task.tools, task.seed) for task in tasks
    ]
    assert list(golden) == [task.id for task in tasks]
    for task in tasks:
        assert {call["name"] for call in task.golden.calls} <= set(task.tools)

        async def solved(task: Task = task) -> dict[str, Any]:
            environment = await LIBRARY.environment(list(task.golden.state), task.seed)
            for call in task.golden.calls:
                assert (await environment.call(call["name"], json.dumps(call["arguments"]))).ok
            return environment.state()

        assert asyncio.run(solved()) == task.golden.state


def test_equal_seeds_give_equal_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    summary = run(first)
    assert run(second, concurrency=3) | {"seconds": 0} == summary | {"seconds": 0}
    for name in ("conversations.jsonl", "tasks.jsonl", "golden.jsonl"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_shape_that_no_scenario_has_is_counted_as_unfilled(tmp_path: Path) -> None:
    config = GenerateConfig(output=tmp_path, count=4, shapes={"parallel": 1}, attempts=3)
    scenario = SCENARIOS["account_balance"]
    summary = json.loads(asyncio.run(write(config, LIBRARY, [scenario])).read_text())
    assert summary["conversations"] == 0
    assert summary["unfilled"] == {"parallel": 4}
    assert summary["blueprints"]["dropped"] == {"not_possible": 12}


def test_what_is_not_this_jobs_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ConfigError, match="not this job's"):
        generate(GenerateConfig(output=tmp_path))


def test_modules_that_no_scenario_does_with_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="scenarios does with the modules weather"):
        asyncio.run(
            write(
                GenerateConfig(output=tmp_path / "out"),
                in_process_library("weather"),
                [SCENARIOS["account_balance"]],
            )
        )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scenarios": ["acount_balance"]}, "account_balance"),
        ({"shapes": {"single": -1, "parallel": 2}}, "weights"),
        ({"languages": {"en": 0}}, "weights"),
        ({"shapes": {"tripple": 1}}, "shapes"),
        ({"phrase_with": {"model": "m"}}, "phrase_with.endpoint.base_url"),
    ],
)
def test_wrong_settings_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(GenerateConfig, {"output": "x", **values})


def test_help_comes_at_once_and_a_missing_key_is_named(tmp_path: Path) -> None:
    job = str(Path("jobs/generate_tasks.py").absolute())
    shown = subprocess.run([sys.executable, job, "--help"], capture_output=True, text=True, check=True, timeout=60)
    assert "--phrase_with" in shown.stdout
    endpoint = {"base_url": "http://127.0.0.1:9/v1", "api_key_env": "OCTUPUS_NO_SUCH_KEY"}
    config = GenerateConfig.model_validate({"output": tmp_path, "phrase_with": {"model": "m", "endpoint": endpoint}})
    with pytest.raises(ConfigError, match="OCTUPUS_NO_SUCH_KEY"):
        asyncio.run(write(config, LIBRARY, list(SCENARIOS.values())))
