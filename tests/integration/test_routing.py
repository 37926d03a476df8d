"""The router that prefers the holder of a prompt's beginning, in a real Ray Serve, over both kinds of handles.

The replicas are trivial: they say who they are. What is tested is where Serve sends a call.
"""

import asyncio
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from ray import serve
from ray.serve.handle import DeploymentHandle

from octupus.serve.routing.prefix_router import request_router_config

pytestmark = pytest.mark.timeout(120)

MOST_ONGOING = 8


class Replica:
    """Stands where EngineReplica does; answers with its process id."""

    async def generate(
        self, prompt_ids: list[int], sampling: Any, spec: Any, generated: Any, adapter: str | None, request_id: str
    ) -> AsyncIterator[int]:
        """`sampling` names a file to wait for between the only two items; while it does, there is a file beside it."""
        yield os.getpid()
        if sampling is not None:
            Path(f"{sampling}.{request_id}").touch()
        while sampling is not None and not Path(sampling).exists():
            await asyncio.sleep(0.02)
        yield os.getpid()

    async def odd(self, *arguments: Any, **keywords: Any) -> AsyncIterator[int]:
        yield os.getpid()


class Caller:
    """Stands where the ingress does: all its calls for one request have Serve's internal request id in common."""

    def __init__(self, replicas: DeploymentHandle, by_reference: bool) -> None:
        self._replicas = replicas.options(stream=True, _by_reference=by_reference)

    async def ask(self, prompts: list[list[int]], until: str | None, adapter: str | None) -> list[int]:
        """Who answers each prompt; all are asked at once."""
        return await asyncio.gather(*(self._ask(prompt, until, adapter) for prompt in prompts))

    async def _ask(self, prompt: list[int], until: str | None, adapter: str | None) -> int:
        method = self._replicas.options(method_name="generate")
        answers = [pid async for pid in method.remote(prompt, until, None, [], adapter, uuid.uuid4().hex)]
        assert len(set(answers)) == 1, answers
        return answers[0]

    async def odd(self, arguments: list[Any], keywords: dict[str, Any]) -> list[int]:
        return [pid async for pid in self._replicas.options(method_name="odd").remote(*arguments, **keywords)]


@pytest.fixture(scope="module", params=[True, False], ids=["by reference", "gRPC"])
def caller(request: pytest.FixtureRequest, private_ray: None) -> Iterator[DeploymentHandle]:
    replicas = serve.deployment(Replica).options(
        num_replicas=2,
        max_ongoing_requests=MOST_ONGOING,
        ray_actor_options={"num_cpus": 0},
        request_router_config=request_router_config(True),
    )
    ingress = serve.deployment(Caller).options(ray_actor_options={"num_cpus": 0}, max_ongoing_requests=1000)
    # Without HTTP: nothing listens for it.
    serve.start(http_options={"location": "NoServer"})
    yield serve.run(ingress.bind(replicas.bind(), request.param), name="routing", route_prefix=None)
    serve.delete("routing")


@pytest.fixture
def random() -> Random:
    """A seed of its own for every test, so that no test meets the prompts of another."""
    return Random(uuid.uuid4().hex)


def conversation(random: Random, tokens: int) -> list[int]:
    return [random.randrange(150_000) for _ in range(tokens)]


def ask(
    caller: DeploymentHandle, *prompts: list[int], until: Path | None = None, adapter: str | None = None
) -> list[int]:
    answers: list[int] = caller.ask.remote(list(prompts), until and str(until), adapter).result(timeout_s=30)
    return answers


def test_a_conversation_stays_and_conversations_spread(caller: DeploymentHandle, random: Random) -> None:
    conversations = [conversation(random, 600) for _ in range(20)]
    homes = [ask(caller, prompt)[0] for prompt in conversations]
    assert len(set(homes)) == 2
    for _ in range(3):
        conversations = [prompt + conversation(random, 50) for prompt in conversations]
        assert [ask(caller, prompt)[0] for prompt in conversations] == homes


def test_an_adapter_has_a_cache_of_its_own(caller: DeploymentHandle, random: Random) -> None:
    prompt = conversation(random, 600)
    (home,) = ask(caller, prompt)
    # Were the prompt's home that of its adapters too, all twenty would go there.
    homes = {adapter: ask(caller, prompt, adapter=adapter)[0] for adapter in map(str, range(20))}
    assert set(homes.values()) > {home}
    assert homes == {adapter: ask(caller, prompt, adapter=adapter)[0] for adapter in homes}
    assert ask(caller, prompt) == [home]


def test_calls_that_begin_alike_and_come_together_stay_together(caller: DeploymentHandle, random: Random) -> None:
    prompt = conversation(random, 5000)
    assert len(set(ask(caller, *[prompt] * 4))) == 1


def test_a_busy_holder_is_passed_over(caller: DeploymentHandle, random: Random, tmp_path: Path) -> None:
    prompt = conversation(random, 1024)
    (home,) = ask(caller, prompt)
    held = caller.ask.remote([prompt] * 6, str(tmp_path / "go"), None)
    wait_for(lambda: len(list(tmp_path.iterdir())) == 6)
    # 1024 tokens are worth four requests: the holder takes as many more than the other, which then holds them too.
    more = {ask(caller, prompt)[0] for _ in range(4)}
    (tmp_path / "go").touch()
    assert Counter(held.result(timeout_s=30))[home] >= 4
    assert len(more) == 1
    assert home not in more


def test_a_full_holder_is_not_waited_for(caller: DeploymentHandle, random: Random, tmp_path: Path) -> None:
    prompt = conversation(random, 20_000)
    (home,) = ask(caller, prompt)
    held = caller.ask.remote([prompt] * MOST_ONGOING, str(tmp_path / "go"), None)
    wait_for(lambda: len(list(tmp_path.iterdir())) == MOST_ONGOING)
    # Worth 78 requests, but the holder takes eight at most.
    (elsewhere,) = ask(caller, prompt)
    (tmp_path / "go").touch()
    assert Counter(held.result(timeout_s=30)) == {home: MOST_ONGOING}
    assert elsewhere != home


@pytest.mark.parametrize(
    ("arguments", "keywords"), [([], {}), (["text"], {}), ([[None]], {}), ([{}], {"adapter": 3}), ([[2**80]], {})]
)
def test_odd_calls_are_routed_all_the_same(
    caller: DeploymentHandle, arguments: list[Any], keywords: dict[str, Any]
) -> None:
    assert len(caller.odd.remote(arguments, keywords).result(timeout_s=30)) == 1


def test_the_conversations_of_a_killed_replica_move_at_once(caller: DeploymentHandle, random: Random) -> None:
    conversations = [conversation(random, 600) for _ in range(20)]
    homes = [ask(caller, prompt)[0] for prompt in conversations]
    killed, survivor = set(homes)
    os.kill(killed, signal.SIGKILL)
    moved = [ask(caller, prompt)[0] for prompt in conversations]
    assert killed not in moved
    assert all(now == survivor for now, before in zip(moved, homes, strict=True) if before == survivor)
    # They stay where they moved to, while the replacement comes up and after.
    replacement = wait_for(lambda: set(ask(caller, conversation(random, 600))) - {survivor})
    assert killed not in replacement
    assert [ask(caller, prompt)[0] for prompt in conversations] == moved


def wait_for(condition: Callable[[], Any]) -> Any:
    """What the condition gives once it gives something, within a minute."""
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found
