"""Whole runs of annotating with real Ray, real tools and a real HTTP endpoint, one of them killed in the middle."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from octupus.agent.solve.annotate_config import AnnotateConfig
from octupus.agent.solve.annotate_output import AnnotateError
from octupus.agent.solve.answer_format import read_answer, read_answers
from octupus.agent.solve.run import annotate
from octupus.errors import ConfigError

from ..agent.scripted_endpoint import ScriptedEndpoint, answers, calls
from ..teacher_server import Reply

JOB = Path(__file__).parents[2] / "jobs" / "annotate.py"
CONCURRENCY = 4

TOOLS = '''
"""A till."""
from typing import Any

CATEGORY = "Money"


def initial_state(seed: int) -> dict[str, Any]:
    return {"total": seed}


def add(amount: int, state: dict[str, Any]) -> dict[str, int]:
    """Add an amount to the total.

    Args:
        amount: What to add.
    """
    state["total"] += amount
    return {"total": state["total"]}
'''


class Model(ScriptedEndpoint):
    """Adds what the task says and answers with the total; `down` tasks fail."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        super().__init__(self._play)

    def _play(self, messages: list[dict[str, Any]], tools: Any, seed: int) -> Any:
        task = messages[1]["content"]
        if task in self.down:
            return Reply(400)
        if messages[-1]["role"] == "tool":
            return answers(str(json.loads(messages[-1]["content"])["total"]))
        return calls(("add", {"amount": int(task.rpartition(" ")[2])}))

    def asked(self) -> Counter[str]:
        """First requests, by task."""
        return Counter(each["messages"][1]["content"] for each in self.requests if len(each["messages"]) == 2)


@pytest.fixture
def model() -> Iterator[Model]:
    server = Model()
    yield server
    server.close()


def values(tmp_path: Path, model: Model, count: int) -> dict[str, Any]:
    rows = [{"id": str(number), "query": f"Add {number}", "tools": ["add"]} for number in range(count)]
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "till.py").write_text(TOOLS)
    return {
        "queries": str(tmp_path / "queries.jsonl"),
        "output": str(tmp_path / "out"),
        "tools": [{"python": str(tmp_path / "till.py")}],
        "model": "m",
        "endpoint": {"base_url": model.base_url, "max_attempts": 2, "backoff_base_s": 0.01},
        "solver": {"method": "DFS_woFilter_w2", "seed": 7},
        "concurrency": CONCURRENCY,
    }


def final_answers(output: Path) -> dict[str, str]:
    return {each.query_id: each.final.final_answer for each in read_answers(output / "answers")}


@pytest.mark.usefixtures("private_ray")
class TestRuns:
    def test_every_query_is_solved_by_actors_with_tools_of_their_own(self, tmp_path: Path, model: Model) -> None:
        config = AnnotateConfig.model_validate(values(tmp_path, model, 30) | {"actors": 2})
        summary = json.loads(annotate(config).read_bytes())
        assert final_answers(config.output) == {str(number): str(7 + number) for number in range(30)}
        assert (summary["queries"], summary["answered"], summary["requests"]) == (30, 30, 60)
        assert summary["calls_by_status"] == {"OK": 30, "ANSWERED": 30}
        solution = read_answer(config.output / "answers" / "3_DFS_woFilter_w2.json")
        assert solution.state == {"till": {"total": 10}}
        assert (config.output / "report.html").exists()
        assert (config.output / "run.json").exists()
        # Again: nothing is left to ask.
        asked = len(model.requests)
        assert json.loads(annotate(config).read_bytes()) == summary
        assert len(model.requests) == asked

    def test_what_failed_is_kept_and_asked_again(self, tmp_path: Path, model: Model) -> None:
        config = AnnotateConfig.model_validate(values(tmp_path, model, 8))
        model.down = {"Add 2", "Add 5"}
        summary = json.loads(annotate(config).read_bytes())
        assert (summary["answered"], summary["failed"]) == (6, 2)
        assert summary["failed_by_reason"] == {"status_400": 2}
        assert sorted(path.name[0] for path in (config.output / "failed").iterdir()) == ["2", "5"]
        model.down = set()
        summary = json.loads(annotate(config).read_bytes())
        assert (summary["answered"], summary["failed"]) == (8, 0)
        assert list((config.output / "failed").iterdir()) == []
        assert model.asked() == {f"Add {number}": 2 if number in (2, 5) else 1 for number in range(8)}

    def test_an_endpoint_that_is_down_stops_the_run(self, tmp_path: Path, model: Model) -> None:
        config = AnnotateConfig.model_validate(values(tmp_path, model, 40) | {"stop_after_failures": 5})
        model.down = {f"Add {number}" for number in range(40)}
        with pytest.raises(AnnotateError, match=r"5 queries failed one after the other.*status_400"):
            annotate(config)
        assert len(model.requests) <= 5 + CONCURRENCY
        assert json.loads((config.output / "summary.json").read_bytes())["failed"] == 40

    def test_what_is_wrong_with_the_tools_reaches_the_user(self, tmp_path: Path, model: Model) -> None:
        given = values(tmp_path, model, 2)
        (tmp_path / "till.py").write_text("def add(amount, state): return amount\n")
        with pytest.raises(ConfigError, match="add"):
            annotate(AnnotateConfig.model_validate(given))
        assert model.requests == []


def test_a_killed_job_goes_on_where_it_stopped(tmp_path: Path, model: Model) -> None:
    """kill -9 of the job in the middle, then the same command: all solved, and none asked again that had its file."""
    given = values(tmp_path, model, 60)
    config = tmp_path / "annotate.json"  # JSON is YAML
    config.write_text(json.dumps(given | {"num_cpus": 2}))
    output = Path(given["output"])

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(JOB), str(config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    model.delay_s = 0.2
    job = start()
    deadline = time.monotonic() + 120
    while len(list(output.glob("answers/*_*.json"))) < 10 and job.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    job.kill()
    job.communicate()
    assert job.returncode == -signal.SIGKILL, "the job ended before it was killed"
    before = {path.name: path.read_bytes() for path in (output / "answers").glob("[0-9]*.json")}
    assert 10 <= len(before) < 60
    time.sleep(5)  # its actors notice, and end
    asked = model.asked()

    model.delay_s = 0
    job = start()
    told, errors = job.communicate(timeout=180)
    assert job.returncode == 0, errors
    assert told.strip() == str(output / "summary.json")
    assert final_answers(output) == {str(number): str(7 + number) for number in range(60)}
    assert all((output / "answers" / name).read_bytes() == content for name, content in before.items())
    again = model.asked() - asked
    assert set(again).isdisjoint(f"Add {name.partition('_')[0]}" for name in before)
    assert len(again) == 60 - len(before)
    summary = json.loads((output / "summary.json").read_bytes())
    assert (summary["queries"], summary["answered"], summary["failed"]) == (60, 60, 0)
