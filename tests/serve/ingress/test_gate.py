"""The gate: never more than its limit, and every place given back."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.errors import RequestError
from octupus.serve.config import (
    AutoscalingConfig,
    EngineConfig,
    LimitsConfig,
    ModelConfig,
    ReplicasConfig,
    ServeConfig,
)
from octupus.serve.ingress.gate import MAX_RETRY_S, MIN_RETRY_S, Gate, active_limit


@settings(deadline=None)
@given(st.integers(1, 4), st.lists(st.sampled_from(["finish", "fail", "cancel"]), min_size=1, max_size=20))
def test_never_more_than_the_limit_and_all_places_come_back(limit: int, ends: list[str]) -> None:
    async def run() -> None:
        gate, release = Gate(limit), asyncio.Event()

        async def request(end: str) -> RequestError | None:
            try:
                with gate.enter():
                    assert gate.active <= limit
                    await release.wait()
                    if end == "fail":
                        raise KeyError(end)
            except RequestError as error:
                return error
            return None

        tasks = [asyncio.create_task(request(end)) for end in ends]
        await asyncio.sleep(0)
        assert gate.active == min(limit, len(ends))
        for task, end in zip(tasks, ends, strict=True):
            if end == "cancel":
                task.cancel()
        release.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        shed = [result for result in results if isinstance(result, RequestError)]
        assert len(shed) == max(0, len(ends) - limit)
        assert all((error.status, error.code) == (429, "overloaded") for error in shed)
        assert all(MIN_RETRY_S <= int(error.headers["retry-after"]) <= MAX_RETRY_S for error in shed)
        assert gate.active == 0

    asyncio.run(run())


@settings(deadline=None)
@given(st.floats(0.01, 20), st.integers(1, 50))
def test_slower_answers_are_waited_for_longer(seconds: float, earlier: int) -> None:
    def told(seconds: float, earlier: int) -> int:
        now = 0.0
        gate = Gate(1, lambda: now)
        for _ in range(10):
            with gate.enter():
                now += seconds
        retry = 0
        with gate.enter():
            for _ in range(earlier):
                with pytest.raises(RequestError) as caught, gate.enter():
                    pass
                retry = int(caught.value.headers["retry-after"])
        return retry

    assert MIN_RETRY_S <= told(seconds, earlier) <= told(seconds * 2, earlier) <= MAX_RETRY_S
    assert told(seconds, earlier) <= told(seconds, earlier + 1)


@pytest.mark.parametrize(
    ("limit", "engines", "ingresses", "expected"),
    [(None, 2, 1, 32), (None, 2, 3, 11), (None, AutoscalingConfig(max_replicas=4), 1, 64), (5, 2, 1, 5)],
)
def test_the_limit_is_twice_what_the_engines_run(
    limit: int | None, engines: int | AutoscalingConfig, ingresses: int, expected: int
) -> None:
    config = ServeConfig(
        model=ModelConfig(source=Path("m")),
        engine=EngineConfig(max_num_seqs=8),
        limits=LimitsConfig(max_active_requests=limit),
        replicas=ReplicasConfig(engines=engines, ingresses=ingresses),
    )
    assert active_limit(config) == expected
