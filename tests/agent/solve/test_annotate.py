"""Annotating without Ray: what a directory of answers says, and how a run goes on from it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from octupus.agent.solve.annotate_config import AnnotateConfig
from octupus.agent.solve.annotate_output import AnnotateError, claim, left_to_solve, settings_of
from octupus.agent.solve.annotate_report import write_summary
from octupus.agent.solve.annotator import Annotated, Annotator
from octupus.agent.solve.answer_format import write_answer
from octupus.agent.solve.exact_record import from_record
from octupus.agent.solve.queries import Query
from octupus.agent.tools.toolbox import Toolbox
from tests.agent.in_process_source import InProcessSource, tool
from tests.agent.scripted_endpoint import ScriptedEndpoint, answers, calls, gives_up, says
from tests.teacher_server import Reply

JOB = Path(__file__).parents[3] / "jobs" / "annotate.py"


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    def policy(messages: list[dict[str, Any]], tools: Any, seed: int) -> Any:
        task = messages[1]["content"]
        if task == "down":
            return Reply(400)
        if task == "give up":
            return gives_up()
        if task == "talk":
            return says("hm")
        if messages[-1]["role"] != "tool":
            return calls(("add", {"amount": 2}), ("nope", {}))
        return answers(messages[-2]["content"])

    server = ScriptedEndpoint(policy)
    yield server
    server.close()


def config(tmp_path: Path, endpoint: ScriptedEndpoint, **settings: Any) -> AnnotateConfig:
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"id": "1", "query": "x"}\n')
    return AnnotateConfig(
        queries=queries,
        output=tmp_path / "out",
        model="m",
        endpoint={"base_url": endpoint.base_url, "max_attempts": 1},
        **settings,
    )


def add(arguments: dict[str, Any], state: Any) -> Any:
    state["total"] += arguments["amount"]
    return state["total"]


def annotate(config: AnnotateConfig, endpoint: ScriptedEndpoint, queries: list[Query]) -> list[Annotated]:
    async def work() -> list[Annotated]:
        source = InProcessSource.of((tool("add", amount="integer"), add), initial=lambda seed: {"total": seed})
        annotator = Annotator(config, Toolbox([source]), endpoint.client(), None)
        try:
            return list(await asyncio.gather(*map(annotator.annotate, queries)))
        finally:
            await annotator.close()
            assert source.closed

    return asyncio.run(work())


def test_each_query_comes_to_something_and_the_counts_add_up(tmp_path: Path, endpoint: ScriptedEndpoint) -> None:
    settings = config(tmp_path, endpoint, solver={"seed": 5})
    texts = ["x", "give up", "talk", "down", "x"]
    queries = [Query(str(number), text) for number, text in enumerate(texts)]
    queries += [Query("5", "x", ("missing",)), Query("6", "x", seed=40), Query("7", "x")]
    came_back = annotate(settings, endpoint, queries[:-1])
    failed = {}
    claim(settings.output, settings_of(settings))
    for annotated in came_back:
        if annotated.record is None:
            failed[annotated.query_id] = (annotated.failed, annotated.detail)
            continue
        solution = from_record(json.loads(json.dumps(annotated.record)))
        folder = "failed" if solution.stopped.startswith("endpoint") else "answers"
        write_answer(settings.output / folder, solution)
    assert [from_record(came_back[place].record).final.final_answer for place in (0, 6)] == ["7", "42"]
    assert failed == {"5": ("ConfigError", "query 5 names tools that are not there: missing")}
    assert [query.id for query in left_to_solve(settings.output, "CoT@1", queries)] == ["3", "5", "7"]

    summary = write_summary(settings, queries, failed)
    assert json.loads((settings.output / "summary.json").read_bytes()) == summary
    ends = {name: summary[name] for name in ("answered", "gave_up", "query_budget", "token_budget", "pruned", "failed")}
    assert ends == {"answered": 3, "gave_up": 1, "query_budget": 0, "token_budget": 0, "pruned": 1, "failed": 3}
    assert summary["queries"] == sum(ends.values()) == len(queries)
    assert summary["failed_by_reason"] == {"ConfigError": 1, "not_asked": 1, "status_400": 1}
    assert sum(summary["failed_by_reason"].values()) == summary["failed"]
    assert summary["calls_by_status"] == {"OK": 3, "UNKNOWN_TOOL": 3, "ANSWERED": 3, "GAVE_UP": 1}
    assert sum(summary["calls_by_status"].values()) == summary["calls"]
    assert summary["pruned_by_reason"] == {"endpoint": 1, "no_call": 1}
    assert summary["requests"] == 3 * 2 + 1 + 3 == summary["messages"]
    page = (settings.output / "report.html").read_text()
    assert "5: failed: ConfigError" in page
    assert "names tools that are not there" in page
    assert "1: gave_up" in page


def test_a_directory_belongs_to_its_settings(tmp_path: Path, endpoint: ScriptedEndpoint) -> None:
    settings = config(tmp_path, endpoint)
    claim(settings.output, settings_of(settings))
    faster = settings.model_copy(update={"concurrency": 99, "limit": 3})
    claim(settings.output, settings_of(faster))
    solver = settings.solver.model_copy(update={"seed": 9})
    with pytest.raises(AnnotateError, match=r"solver\.seed was 0 and is now 9"):
        claim(settings.output, settings_of(settings.model_copy(update={"solver": solver})))
    settings.queries.write_text('{"id": "2", "query": "y"}\n')
    with pytest.raises(AnnotateError, match="queries_sha256 was"):
        claim(settings.output, settings_of(settings))
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    with pytest.raises(AnnotateError, match=r"has no settings\.json"):
        claim(foreign, settings_of(settings))
    with pytest.raises(AnnotateError, match="is a file"):
        claim(foreign / "thesis.txt", settings_of(settings))


@pytest.mark.parametrize("address", ["", "localhost:8000", "http://user:secret@host/v1"])
def test_addresses_that_are_none_are_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(ValidationError, match=r"endpoint\.base_url"):
        AnnotateConfig(queries=tmp_path, output=tmp_path, model="m", endpoint={"base_url": address})


def test_help_and_dry_run_load_nothing_heavy() -> None:
    for flag in ("--help", "--dry-run"):
        command = [sys.executable, "-X", "importtime", str(JOB), flag]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert answer.returncode == 0, answer.stderr
        imported = {line.rsplit("|", 1)[-1].strip() for line in answer.stderr.splitlines() if "import time" in line}
        assert imported & {"torch", "ray", "transformers", "vllm", "numpy", "pyarrow", "openai", "mcp"} == set()
        assert "max_query_count" in answer.stdout
