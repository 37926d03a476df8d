"""Replicas and engines that are killed while they answer: no request is lost, and none ends as if it were whole.

Real Ray Serve with two engine replicas on CPUs. The tests share one application and run in this order.
"""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
import ray
from ray import serve

from .process_tree import alive, descendants, wait_until
from .questions import QUESTIONS, Answer, answers_to_all, answers_while, client_of, failovers
from .random_model import write_random_model

pytestmark = pytest.mark.timeout(1200)

PORT = 8550
FAILOVER_TIMEOUT_S = 10
"""Longer than the other replica needs to go on, shorter than a new engine needs to start."""


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from octupus.serve.app import build

    model = write_random_model(tmp_path_factory.mktemp("model"))
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)
    arguments = {
        "model": {"source": str(model)},
        "limits": {"failover_timeout_s": FAILOVER_TIMEOUT_S},
        "replicas": {"engines": 2, "drain_timeout_s": 5},
    }
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(build(arguments), name="octupus", route_prefix="/")
    yield f"http://127.0.0.1:{PORT}/v1"
    serve.shutdown()
    ray.shutdown()


@pytest.fixture(scope="module")
def unbroken(base_url: str) -> list[Answer]:
    """What every question is answered when nothing dies."""
    return asyncio.run(answers_to_all(base_url))


def replicas() -> set[int]:
    """The processes of the engine replicas."""
    return {each.pid for each in descendants(os.getpid()) if "ServeReplica:octupus:EngineReplica" in each.name}


def engine_core(replica: int) -> int:
    return next(each.pid for each in descendants(replica) if "EngineCore" in each.name)


def wait_for_two_replicas(gone: int) -> None:
    def there() -> bool:
        deployment = serve.status().applications["octupus"].deployments["EngineReplica"]
        return gone not in replicas() and len(replicas()) == 2 and deployment.replica_states == {"RUNNING": 2}

    wait_until(there, "two replicas answer again", 600)


def kill_while_answering(base_url: str, unbroken: list[Answer], victim: int) -> None:
    """Kill a process while all questions are being answered: each answer is the unbroken one."""

    before = failovers(base_url)
    given = asyncio.run(answers_while(base_url, lambda: os.kill(victim, signal.SIGKILL)))
    for question, answer, wanted in zip(QUESTIONS, given, unbroken, strict=True):
        assert answer == wanted, question
    wait_until(lambda: failovers(base_url) > before, "failovers are counted", 60)


def test_a_killed_replica_loses_no_request(base_url: str, unbroken: list[Answer]) -> None:
    victim = min(replicas())
    parts = {each.pid for each in descendants(victim)}
    kill_while_answering(base_url, unbroken, victim)
    wait_until(lambda: not alive(parts), "its engine's processes are gone", 60)
    wait_for_two_replicas(gone=victim)


def test_a_killed_engine_loses_no_request(base_url: str, unbroken: list[Answer]) -> None:
    victim = max(replicas())
    core = engine_core(victim)
    kill_while_answering(base_url, unbroken, core)
    wait_until(lambda: not alive({core, victim}), "the replica follows its engine")


async def raw_stream(url: str, body: dict[str, Any], flowing: asyncio.Event) -> str:
    """All that is sent for a streamed request."""
    sent = ""
    async with httpx.AsyncClient(timeout=120) as http, http.stream("POST", url, json=body) as response:
        assert response.status_code == 200
        async for text in response.aiter_text():
            sent += text
            flowing.set()
    return sent


async def all_killed(base_url: str) -> tuple[str, str, BaseException | Any, httpx.Response]:
    """Streams of both APIs, one through the official client, and a whole answer, when no replica is left."""
    flowing = [asyncio.Event() for _ in range(3)]
    long: dict[str, Any] = {"model": "octupus", "temperature": 1.0, "seed": 5}
    messages = [{"role": "user", "content": "tell me all"}]
    chat = long | {"messages": messages, "max_tokens": 900, "stream": True}
    responses = long | {"input": "tell me all", "max_output_tokens": 900, "stream": True}

    async def official() -> None:
        async with client_of(base_url) as client:
            async for _ in await client.chat.completions.create(**chat):
                flowing[2].set()

    async with asyncio.TaskGroup() as group:
        first = group.create_task(raw_stream(f"{base_url}/chat/completions", chat, flowing[0]))
        second = group.create_task(raw_stream(f"{base_url}/responses", responses, flowing[1]))
        third = group.create_task(asyncio.wait([asyncio.create_task(official())]))
        async with httpx.AsyncClient(timeout=120) as http:
            whole = group.create_task(http.post(f"{base_url}/chat/completions", json=chat | {"stream": False}))
            await asyncio.gather(*(event.wait() for event in flowing))
            # The one that replaces the last test's victim too, ready or not.
            for replica in replicas():
                os.kill(replica, signal.SIGKILL)
            response = await whole
    (ended,) = third.result()[0]
    return first.result(), second.result(), ended.exception(), response


def test_without_a_replica_in_time_every_answer_ends_with_an_error(base_url: str) -> None:
    chat, responses, raised, whole = asyncio.run(all_killed(base_url))
    last = json.loads(chat.strip().splitlines()[-1].removeprefix("data: "))
    assert last["error"]["type"] == "server_error"
    assert last["error"]["code"] == "engine_failed"
    assert "[DONE]" not in chat
    assert '"finish_reason":"' not in chat.replace(" ", "")
    names = [line.removeprefix("event: ") for line in responses.splitlines() if line.startswith("event: ")]
    assert names[-1] == "response.failed"
    assert not {"response.completed", "response.incomplete"} & set(names)
    assert isinstance(raised, openai.APIError)
    assert "no replica went on" in str(raised)
    assert whole.status_code >= 500
    assert whole.json()["error"]["code"] == "engine_failed"
