"""Whole runs with real Ray against a real HTTP server, one of them killed in the middle."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octupus.conversation import Conversation
from octupus.data.reanswer.config import ReanswerConfig
from octupus.data.reanswer.ledger import LEDGER, LedgerError
from octupus.data.reanswer.run import reanswer
from octupus.data.reanswer.teacher import TeacherError
from octupus.data.sources.openai_messages import convert, recognises
from octupus.data.sources.reader import read_rows
from octupus.errors import ConfigError, CorpusError

from ..teacher_server import Reply, TeacherServer, answer_to

JOB = Path(__file__).parents[2] / "jobs" / "reanswer.py"
CONCURRENCY = 8


def question(number: int) -> dict[str, Any]:
    """A conversation of one turn, every third of two."""
    turns = [("user", f"Question {number}"), ("assistant", "old")]
    if number % 3 == 0:
        turns += [("user", f"More of {number}"), ("assistant", "old")]
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def write_corpus(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


@pytest.fixture
def configuration(tmp_path: Path, teacher: TeacherServer) -> Callable[..., ReanswerConfig]:
    def make(rows: list[Any] | None = None, **changes: Any) -> ReanswerConfig:
        path = tmp_path / "corpus.jsonl"
        if rows is not None:
            write_corpus(path, rows)
        values: dict[str, Any] = {
            "input": path,
            "output": tmp_path / "out",
            "model": "teacher-1",
            "endpoint": {"base_url": teacher.base_url, "backoff_base_s": 0.01, "max_attempts": 3},
            "concurrency": CONCURRENCY,
        }
        return ReanswerConfig.model_validate(values | changes)

    return make


def summary_of(config: ReanswerConfig) -> Any:
    return json.loads((config.output / "reanswer.json").read_text())


def conversations(config: ReanswerConfig, name: str = "answers.jsonl") -> list[Conversation]:
    rows = [row.value for row in read_rows(config.output / name)]
    assert all(map(recognises, rows))
    return [convert(row) for row in rows]


def expected(number: int) -> list[str]:
    """The texts that a re-answered `question(number)` holds."""
    messages: list[dict[str, Any]] = []
    for message in question(number)["messages"]:
        said = answer_to(messages) if message["role"] == "assistant" else message["content"]
        messages.append({"role": message["role"], "content": said})
    return [message["content"] for message in messages]


def texts(conversation: Conversation) -> list[str | None]:
    return [message.content for message in conversation.messages]


@pytest.mark.usefixtures("private_ray")
class TestWithOneRay:
    def test_all_is_answered_in_the_order_of_the_input(
        self, configuration: Callable[..., ReanswerConfig], teacher: TeacherServer
    ) -> None:
        config = configuration([question(number) for number in range(100)], sampling={"seed": 5, "temperature": 0.2})
        assert reanswer(config) == config.output / "reanswer.json"
        assert [texts(value) for value in conversations(config)] == [expected(number) for number in range(100)]
        assert set(teacher.answered.values()) == {1}
        assert {request["seed"] for request in teacher.requests} == {5}
        summary = summary_of(config)
        assert summary["conversations"] == {"in": 100, "answered": 100, "cut": 0, "skipped": {}, "failed": {}}
        assert (summary["answers"], summary["tokens_in"], summary["tokens_out"]) == (134, 1340, 670)

        asked = len(teacher.requests)
        reanswer(config)  # again: nothing is left
        assert len(teacher.requests) == asked

    def test_every_conversation_is_counted_once(
        self,
        configuration: Callable[..., ReanswerConfig],
        teacher: TeacherServer,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("TEACHER_KEY", "very-secret")
        caplog.set_level(logging.INFO, logger="octupus")
        tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
        rows: list[Any] = [question(number) for number in range(1, 41)]
        rows += ['{"messages": [', "[]", {"messages": 3}, {"messages": [{"role": "assistant", "content": "Hello"}]}]
        rows += [{**question(50), "tools": [tool]}]
        teacher.always["Question 2"] = Reply(400)
        teacher.always["More of 3"] = Reply(500)
        teacher.always["Question 4"] = Reply(finish_reason="length")
        teacher.always["Question 5"] = Reply(message={"role": "assistant", "content": ""})
        teacher.always["Question 7"] = Reply(401)
        teacher.scripts["Question 8"] = [Reply(429, headers={"Retry-After": "0.1"}), Reply(503)]
        endpoint = {
            "base_url": teacher.base_url,
            "backoff_base_s": 0.01,
            "max_attempts": 3,
            "api_key_env": "TEACHER_KEY",
        }
        config = configuration(rows, on_broken_line="drop", endpoint=endpoint, report_every_s=0.01)
        reanswer(config)
        summary = summary_of(config)
        counts = summary["conversations"]
        assert counts["skipped"] == {"broken_json": 1, "no_prompt": 1, "tools": 1, "wrong_shape": 2}
        failed = {"status_400": 1, "status_500": 1, "length": 1, "empty_answer": 1, "status_401": 1}
        assert counts["failed"] == failed
        assert counts["in"] == len(rows) == counts["answered"] + 5 + 5
        assert summary["retries"] == {"status_429": 1, "status_500": 3, "status_503": 1}
        assert summary["finish_reasons"]["length"] == 1
        assert len(conversations(config)) == 35

        # What failed for the moment is asked again by the next run; the rest stays as it is.
        teacher.always = {"Question 2": Reply(400), "Question 4": Reply(finish_reason="length")}
        teacher.requests.clear()
        reanswer(config)
        assert teacher.asked() == {"More of 3": 1, "Question 7": 1}
        assert summary_of(config)["conversations"]["failed"] == {"status_400": 1, "length": 1, "empty_answer": 1}

        # And what is made of the answers may change without asking.
        teacher.requests.clear()
        reanswer(config.model_copy(update={"on_length": "keep"}))
        assert teacher.requests == []
        assert summary_of(config)["conversations"]["failed"] == {"status_400": 1, "empty_answer": 1}

        written = b"".join(path.read_bytes() for path in config.output.iterdir())
        assert b"very-secret" not in written
        assert "very-secret" not in caplog.text
        assert set(teacher.authorization) == {"Bearer very-secret"}

    def test_parquet_in_parts(self, configuration: Callable[..., ReanswerConfig], teacher: TeacherServer) -> None:
        tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
        teacher.always["Call f"] = Reply(
            message={"role": "assistant", "content": None, "tool_calls": [call]}, finish_reason="tool_calls"
        )
        rows = [question(number) for number in range(8)]
        rows.append({"messages": [{"role": "user", "content": "Call f"}], "tools": [tool]})
        config = configuration(rows, tools=True, output_format="parquet", rows_per_file=4)
        reanswer(config)
        names = [entry["file"] for entry in summary_of(config)["files"]]
        assert names == ["answers-00000.parquet", "answers-00001.parquet", "answers-00002.parquet"]
        read = [value for name in names for value in conversations(config, name)]
        assert [texts(value) for value in read[:8]] == [expected(number) for number in range(8)]
        assert read[8].messages[1].tool_calls[0].function.arguments == '{"a": 1}'
        assert read[8].tools[0].function.name == "f"

        reanswer(config.model_copy(update={"output_format": "jsonl", "rows_per_file": None}))
        assert sorted(path.name for path in config.output.glob("answers*")) == ["answers.jsonl"]
        assert conversations(config)[8].tools == read[8].tools

    def test_a_teacher_that_is_gone_stops_the_run_and_costs_nothing(
        self, configuration: Callable[..., ReanswerConfig], teacher: TeacherServer
    ) -> None:
        for number in range(30, 60):
            teacher.always[f"Question {number}"] = Reply(401)
        config = configuration([question(number) for number in range(60)], stop_after_failures=10)
        with pytest.raises(TeacherError, match=r"10 conversations failed one after the other.*status_401"):
            reanswer(config)
        assert not (config.output / "reanswer.json").exists()
        answered = sum(teacher.answered.values())
        assert answered
        teacher.always.clear()
        reanswer(config)
        assert [texts(value) for value in conversations(config)] == [expected(number) for number in range(60)]
        assert set(teacher.answered.values()) == {1}

    def test_an_actor_that_dies_asks_nothing_twice(
        self, configuration: Callable[..., ReanswerConfig], teacher: TeacherServer
    ) -> None:
        teacher.delay_s = 0.05
        config = configuration([question(number) for number in range(60)])
        killed = Counter[int]()

        def kill_once(request: dict[str, Any], authorization: str, reply: Any = teacher._reply) -> Reply:
            if len(teacher.requests) == 40 and not killed:
                for pid in own_actors(b"ray::MapWorker"):
                    killed[pid] += 1
                    os.kill(pid, signal.SIGKILL)
            return reply(request, authorization)

        teacher._reply = kill_once  # type: ignore[method-assign]
        reanswer(config)
        assert len(killed) == 1
        assert [texts(value) for value in conversations(config)] == [expected(number) for number in range(60)]
        lines = [json.loads(line) for line in (config.output / LEDGER).read_bytes().splitlines()[2:]]
        assert set(Counter((line["row"], line["turn"]) for line in lines).values()) == {1}
        # Only what was open when the actor died is asked again.
        assert len(teacher.requests) - 80 <= CONCURRENCY

    def test_the_recorders_refusal_reaches_the_user(
        self, configuration: Callable[..., ReanswerConfig], teacher: TeacherServer
    ) -> None:
        config = configuration([question(1)])
        reanswer(config)
        with pytest.raises(LedgerError, match=r'model was "teacher-1" and is now "teacher-2"'):
            reanswer(config.model_copy(update={"model": "teacher-2"}))
        write_corpus(config.input, [question(2)])
        with pytest.raises(LedgerError, match="input_sha256 was"):
            reanswer(config)
        assert sum(teacher.answered.values()) == 1

    def test_nothing_answered_is_an_error_with_its_reasons(
        self, configuration: Callable[..., ReanswerConfig], teacher: TeacherServer
    ) -> None:
        teacher.always["Question 1"] = Reply(400)
        with pytest.raises(TeacherError, match=r"none of 1 conversations was answered.*status_400"):
            reanswer(configuration([question(1)]))


def test_what_is_wrong_is_told_before_anything_is_asked(
    configuration: Callable[..., ReanswerConfig], teacher: TeacherServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configuration([question(1), "{broken"])
    with pytest.raises(CorpusError, match=r"corpus\.jsonl:2"):
        reanswer(config)
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    endpoint = config.endpoint.model_copy(update={"api_key_env": "NO_SUCH_KEY"})
    with pytest.raises(ConfigError, match="NO_SUCH_KEY, which is not set"):
        reanswer(config.model_copy(update={"endpoint": endpoint}))
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        reanswer(config.model_copy(update={"teacher": "engine", "model": "/nowhere"}))
    config.output.mkdir()
    (config.output / "thesis.txt").write_text("mine")
    with pytest.raises(LedgerError, match="has no ledger"):
        reanswer(config)
    assert teacher.requests == []


def test_a_killed_job_goes_on_where_it_stopped(
    configuration: Callable[..., ReanswerConfig], teacher: TeacherServer, tmp_path: Path
) -> None:
    """kill -9 of the job in the middle, then the same command: exactly once, and the same bytes as undisturbed."""
    rows = 240
    turns = rows + rows // 3
    config = configuration([question(number) for number in range(rows)])
    command = [sys.executable, str(JOB), "--input", str(config.input), "--model", "teacher-1", "--num_cpus", "2"]
    command += ["--endpoint.base_url", teacher.base_url, "--concurrency", str(CONCURRENCY)]

    def start(output: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, "--output", str(output)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    # So slow that the job's actors, which outlive it by some two seconds, do not come to the end.
    teacher.delay_s = 0.25
    job = start(config.output)
    deadline = time.monotonic() + 120
    while sum(teacher.answered.values()) < 40 and job.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    job.kill()
    job.communicate()
    assert job.returncode == -signal.SIGKILL, "the job ended before it was killed"

    teacher.delay_s = 0
    job = start(config.output)
    output, errors = job.communicate(timeout=120)
    assert job.returncode == 0, errors
    assert output.strip() == str(config.output / "reanswer.json")
    assert [texts(value) for value in conversations(config)] == [expected(number) for number in range(rows)]

    lines = [json.loads(line) for line in (config.output / LEDGER).read_bytes().splitlines()]
    second = [position for position, line in enumerate(lines) if "run" in line][1]
    before = {(line["row"], line["turn"]) for line in lines[2:second]}
    assert 40 - CONCURRENCY <= len(before) < turns
    asked = Counter(json.dumps(request["messages"]) for request in teacher.requests)
    for row, turn in before:
        roles = [message["role"] for message in question(row)["messages"][:turn]]
        prompt = [{"role": role, "content": text} for role, text in zip(roles, expected(row), strict=False)]
        assert asked[json.dumps(prompt)] == 1
    assert turns <= sum(asked.values()) <= turns + CONCURRENCY  # only what was open when the job ended
    summary = summary_of(config)
    assert (summary["answers"], summary["runs"]) == (turns, 2)
    assert summary["conversations"] == {"in": rows, "answered": rows, "cut": 0, "skipped": {}, "failed": {}}

    job = start(tmp_path / "undisturbed")
    _, errors = job.communicate(timeout=120)
    assert job.returncode == 0, errors
    assert (tmp_path / "undisturbed" / "answers.jsonl").read_bytes() == (config.output / "answers.jsonl").read_bytes()


def own_actors(title: bytes) -> list[int]:
    """Processes of this one's own Ray whose title begins so: other Rays may run on the machine."""
    found, parents = [], {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(directory.name)] = int((directory / "stat").read_text().rpartition(")")[2].split()[1])
            if (directory / "cmdline").read_bytes().startswith(title):
                found.append(int(directory.name))
        except OSError:
            continue  # it ended meanwhile
    return [pid for pid in found if os.getpid() in (parents[pid], parents.get(parents[pid]))]


HEAVY = {"torch", "ray", "transformers", "vllm", "numpy", "pyarrow", "openai"}


@pytest.mark.parametrize("flag", ["--help", "--dry-run"])
def test_help_and_dry_run_load_nothing_heavy(flag: str) -> None:
    command = [sys.executable, "-X", "importtime", str(JOB), flag]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert answer.returncode == 0, answer.stderr
    imported = {line.rsplit("|", 1)[-1].strip() for line in answer.stderr.splitlines() if "import time" in line}
    assert imported & HEAVY == set()
