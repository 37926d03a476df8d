"""Clients that go: what is generated for them ends at once, and nothing is left behind."""

import asyncio
import time

import httpx
import openai
import pytest

from .asking import MESSAGES, MODEL
from .engine_load import EngineLoad
from .leaving import Departure, departures, leave
from .test_contract_chat import filled

pytestmark = pytest.mark.timeout(600)

SOON_S = 5.0
"""The promise is a second, measured by benchmarks/disconnects.py; a test may run on a machine with other work."""


@pytest.fixture(scope="module")
def load(base_url: str) -> EngineLoad:
    return EngineLoad()


def check_nothing_is_left(load: EngineLoad) -> None:
    deadline = time.monotonic() + SOON_S
    while load.requests():
        assert time.monotonic() < deadline, f"{load.requests()} requests still run {SOON_S} s after their clients went"
        time.sleep(0.02)
    time.sleep(0.2)  # the step that was under way
    before = load.core_cpu_s()
    time.sleep(1.0)
    assert load.core_cpu_s() - before < 0.1, "vLLM generates although no request is there"


@pytest.mark.parametrize(
    "departure",
    [
        Departure("/chat/completions", stream=True, after_s=None, pieces=3),
        Departure("/chat/completions", stream=True, after_s=None, pieces=10, choices=3),
        Departure("/responses", stream=True, after_s=None, pieces=8),
        Departure("/completions", stream=True, after_s=None, pieces=5),
    ],
    ids=["chat", "three answers", "responses", "text"],
)
def test_a_client_that_leaves_a_stream_ends_it(base_url: str, load: EngineLoad, departure: Departure) -> None:
    assert asyncio.run(leave(base_url, departure)) is not None
    check_nothing_is_left(load)


@pytest.mark.parametrize("path", ["/chat/completions", "/responses", "/completions"])
def test_a_client_that_does_not_wait_for_a_whole_answer_ends_it(base_url: str, load: EngineLoad, path: str) -> None:
    async def go_while_it_is_generated() -> None:
        asking = asyncio.ensure_future(leave(base_url, Departure(path, stream=False, after_s=30, pieces=0)))
        while not load.requests() and not asking.done():
            await asyncio.sleep(0.01)
        assert not asking.done()
        asking.cancel()
        await asyncio.wait([asking])

    asyncio.run(go_while_it_is_generated())
    check_nothing_is_left(load)


def test_thirty_clients_that_go_at_random_points_leave_nothing(base_url: str, load: EngineLoad) -> None:
    async def all_leave() -> list[float | None]:
        return await asyncio.gather(*(leave(base_url, departure) for departure in departures(30, seed=1)))

    assert None not in asyncio.run(all_leave())
    check_nothing_is_left(load)
    assert httpx.get(f"{base_url}/health").status_code == 200


def test_those_who_stay_are_answered_while_others_go(base_url: str, client: openai.OpenAI, load: EngineLoad) -> None:
    asked = filled({"max_tokens": 64})
    alone = client.chat.completions.create(**asked).choices[0].message.content

    async def together() -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=base_url, api_key="unused", max_retries=0) as stays:
            kept = [stays.chat.completions.create(**asked) for _ in range(3)]
            gone = [leave(base_url, departure) for departure in departures(9, seed=2)]
            answers = await asyncio.gather(*kept, *gone)
        return [answer.choices[0].message.content for answer in answers[:3]]

    assert asyncio.run(together()) == [alone] * 3
    check_nothing_is_left(load)


def test_a_client_that_closes_its_stream_early_can_go_on_asking(client: openai.OpenAI, load: EngineLoad) -> None:
    with client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=700, stream=True) as stream:
        next(iter(stream))
    check_nothing_is_left(load)
    assert client.chat.completions.create(**filled({})).choices
