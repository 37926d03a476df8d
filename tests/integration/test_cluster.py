"""The three commands on a cluster of several nodes: a head that takes no work, and nodes that die meanwhile.

The tests share the nodes and run in this order: data, stage 1, stage 2, endpoint.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from octupus.data.manifest import read_manifest, verify
from octupus.train.checkpoint.storage import Storage
from octupus.train.config import StageConfig
from octupus.train.watch.metrics import read_metrics

from .process_tree import wait_until
from .questions import QUESTIONS, Answer, answers_to_all, answers_while, failovers
from .random_model import write_random_model
from .ray_nodes import RayNode, RayNodes, free_ports, ray_nodes
from .training_runs import numbers, same_weights
from .worker_processes import Trained, train_in_processes

pytestmark = pytest.mark.timeout(1200)

STEPS = 70
CHECKPOINT_EVERY = 8
KILLED_AT = 20
"""Step of stage 2 after which a node is killed; its newest checkpoint is that of a few steps before."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all nodes see: a model, two corpora, and place for what the jobs write."""
    directory = tmp_path_factory.mktemp("shared")
    (directory / "base").mkdir()
    write_random_model(directory / "base")
    chat = [{"instruction": f"Say {number}.", "output": f"{number}: " + "la " * (number % 17)} for number in range(150)]
    (directory / "chat.json").write_text(json.dumps(chat))
    (directory / "calls.jsonl").write_text("\n".join(json.dumps(call_row(number)) for number in range(100)))
    return directory


def call_row(number: int) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    call = json.dumps({"name": "get_weather", "arguments": {"city": f"City {number}"}})
    turns = [("human", f"Weather in City {number}?"), ("function_call", call), ("observation", "sun"), ("gpt", "Sun.")]
    return {
        "conversations": [{"from": role, "value": value} for role, value in turns],
        "tools": json.dumps([{"name": "get_weather", "parameters": schema}]),
    }


@pytest.fixture(scope="module")
def nodes() -> Iterator[RayNodes]:
    with ray_nodes() as nodes:
        yield nodes


@pytest.fixture(scope="module")
def workers(nodes: RayNodes) -> list[RayNode]:
    """The nodes that take work, one training worker or engine each."""
    return [nodes.add(cpus=1), nodes.add(cpus=1)]


def written(file: Path, values: Any) -> Path:
    file.write_text(yaml.safe_dump(values))
    return file


def stage(shared: Path, name: str, model: str) -> StageConfig:
    """A stage of two workers. It hardly learns, so that the model's answers stay long."""
    values = {
        "run": {"name": name, "storage": str(shared / "runs")},
        "model": shared / model,
        "data": {"directory": shared / "data", "packs_per_step": 8, "steps": STEPS, "seed": 3},
        "optimizer": {"lr": 1e-5, "min_lr": 1e-6, "warmup_steps": 5},
        "engine": {"dtype": "float32"},
        "scaling": {"workers": 2, "cpus_per_worker": 1, "max_failures": 2},
        "checkpoint": {"every_steps": CHECKPOINT_EVERY},
        "export": shared / f"{name}_export",
    }
    return StageConfig.model_validate(values)


def submitted(nodes: RayNodes, shared: Path, job: str, config: StageConfig, *options: str) -> Any:
    file = written(shared / f"{config.run.name}.yaml", config.model_dump(mode="json"))
    return nodes.submit(f"jobs/{job}.py", file, options=options)


@pytest.fixture(scope="module")
def uninterrupted(shared: Path, nodes: RayNodes, workers: list[RayNode]) -> tuple[StageConfig, StageConfig]:
    """Data that a submitted job prepared, and both stages, trained without Ray and without a failure."""
    sources = [{"name": "chat", "path": shared / "chat.json"}, {"name": "calls", "path": shared / "calls.jsonl"}]
    values = {"model": shared / "base", "output": shared / "data", "sources": sources, "token_budget": 512}
    values["near_duplicates"] = {"drop": False}
    file = written(shared / "prepare.yaml", json.loads(json.dumps(values, default=str)))
    answer = nodes.submit("jobs/prepare_data.py", file)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    stages = stage(shared, "first", "base"), stage(shared, "second", "first_export")
    train_in_processes([Trained(each) for each in stages], 2, shared)
    return stages


def test_a_job_prepares_data_on_the_nodes(shared: Path, uninterrupted: tuple[StageConfig, StageConfig]) -> None:
    manifest = read_manifest(shared / "data")
    verify(shared / "data", manifest)
    assert manifest.conversations == 250


def test_a_job_tells_the_truth_of_its_end(nodes: RayNodes, workers: list[RayNode], shared: Path) -> None:
    config = stage(shared, "nowhere", "no_such_model")
    answer = submitted(nodes, shared, "train_stg1", config)
    assert answer.returncode != 0
    assert "no_such_model" in answer.stdout + answer.stderr


def test_a_stopped_stage_goes_on_when_it_is_submitted_again(
    nodes: RayNodes, workers: list[RayNode], shared: Path, uninterrupted: tuple[StageConfig, StageConfig]
) -> None:
    config = stage(shared, "stopped", "base")
    answer = submitted(nodes, shared, "train_stg1", config, "--no-wait", "--submission-id", "stage1")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    wait_until(lambda: done(config) >= KILLED_AT, "steps of stage 1", 240)
    assert nodes.run("ray", "job", "stop", "stage1").returncode == 0
    assert "stopped" in nodes.run("ray", "job", "status", "stage1").stdout.lower()
    assert "train.start" in nodes.run("ray", "job", "logs", "stage1").stdout
    assert done(config) < STEPS
    answer = submitted(nodes, shared, "train_stg1", config)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    started = re.search(r"train\.start .*\bdone=(\d+)", answer.stdout + answer.stderr)
    assert started is not None, answer.stdout
    assert int(started[1]) >= KILLED_AT - CHECKPOINT_EVERY
    assert numbers(config) == numbers(uninterrupted[0])
    assert same_weights(config, uninterrupted[0])


def test_a_stage_that_loses_a_node_goes_on_on_another(
    nodes: RayNodes, workers: list[RayNode], shared: Path, uninterrupted: tuple[StageConfig, StageConfig]
) -> None:
    config = stage(shared, "bereft", "first_export")
    answer = submitted(nodes, shared, "train_stg2", config, "--no-wait", "--submission-id", "stage2")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    wait_until(lambda: done(config) >= KILLED_AT, "steps of stage 2", 240)
    lost = workers.pop()
    assert any("RayTrainWorker" in each.name for each in lost.processes())
    killed_at = lost.kill()
    workers.append(nodes.add(cpus=1))
    added_s = time.monotonic() - killed_at
    wait_until(
        lambda: "succeeded" in nodes.run("ray", "job", "status", "stage2").stdout.lower(), "the end of stage 2", 300
    )
    print(f"a node killed after step {KILLED_AT}: another was there after {added_s:.0f} s, "
          f"the stage had ended after {time.monotonic() - killed_at:.0f} s")  # fmt: skip
    assert numbers(config) == numbers(uninterrupted[1])
    assert same_weights(config, uninterrupted[1])


def done(config: StageConfig) -> int:
    """Steps recorded."""
    rows = read_metrics(Storage(config.run.location))
    return rows[-1].step if rows else 0


def test_no_request_is_lost_when_a_node_dies(
    nodes: RayNodes, workers: list[RayNode], shared: Path, uninterrupted: tuple[StageConfig, StageConfig]
) -> None:
    (port,) = free_ports(1)
    base_url = f"http://127.0.0.1:{port}/v1"
    application = {
        "name": "octupus",
        "route_prefix": "/",
        "import_path": "octupus.serve.app:build",
        "args": {"model": {"source": str(uninterrupted[1].export)}, "replicas": {"engines": 2}},
    }
    http = {"host": "127.0.0.1", "port": port}
    values = {"proxy_location": "HeadOnly", "http_options": http, "applications": [application]}
    answer = nodes.run("serve", "deploy", "--address", nodes.url, written(shared / "serve.yaml", values))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    wait_until(lambda: answers(base_url) and all(map(has_engine, workers)), "an engine on each node", 300)
    assert not any("ServeReplica:octupus:Ingress" in each.name for node in workers for each in node.processes())
    time.sleep(5)  # until the ingress has heard of both
    unbroken = asyncio.run(answers_to_all(base_url))
    before = failovers(base_url)
    given = asyncio.run(answers_while(base_url, workers[0].kill))
    assert_equal(given, unbroken)
    wait_until(lambda: failovers(base_url) > before, "failovers are counted", 60)
    assert_equal(asyncio.run(answers_to_all(base_url)), unbroken)


def assert_equal(given: list[Answer], unbroken: list[Answer]) -> None:
    for question, answer, wanted in zip(QUESTIONS, given, unbroken, strict=True):
        assert answer == wanted, question


def answers(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/models", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def has_engine(node: RayNode) -> bool:
    return any("VLLM::EngineCore" in each.name for each in node.processes())
