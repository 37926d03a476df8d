"""Failover: whatever replicas do, a request gets the tokens of an unbroken answer, or an error, never a silent end."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.errors import EngineError
from octupus.serve.engine.sampling import Generated, Sampling
from octupus.serve.ingress import generation
from octupus.serve.ingress.generation import Job, ReplicaLostError, generate, scores

END = 0


@dataclass
class ScriptedReplicas:
    """Replicas that write `answer`, each stream of which meets the next of `fates`: tokens it writes, and its end."""

    answer: list[int]
    fates: list[tuple[int, str]]
    asked: list[list[int]] = field(default_factory=list)
    closed: int = 0

    async def generate(self, job: Job, generated: Sequence[int]) -> AsyncGenerator[Generated]:
        self.asked.append(list(generated))
        assert self.answer[: len(generated)] == list(generated)
        rest = self.answer[len(generated) :]
        tokens, fate = self.fates.pop(0) if self.fates else (len(rest) + 1, "whole")
        finished = False
        try:
            for position, token in enumerate(rest):
                await asyncio.sleep(0)
                if position == tokens:
                    break
                finished = position == len(rest) - 1
                yield Generated([token], "stop" if finished and fate != "reason lost" else None)
            if fate == "hangs":
                await asyncio.sleep(3600)
            if fate == "refuses":
                raise EngineError("the engine failed this request")
            if fate in ("dies", "unreachable", "reason lost") and (not finished or fate == "reason lost"):
                raise ReplicaLostError(fate, died=fate == "dies")
        finally:
            self.closed += 1

    async def scores(self, job: Job, generated: Sequence[int], count: int) -> list[dict[int, float]]:
        raise NotImplementedError


async def collect(replicas: ScriptedReplicas, timeout_s: float = 5.0) -> tuple[list[int], list[str], int]:
    job = Job("id", [1, 2], Sampling(max_tokens=100))
    failovers = 0

    def count() -> None:
        nonlocal failovers
        failovers += 1

    ids: list[int] = []
    reasons: list[str] = []
    async for item in generate(replicas, job, END, timeout_s, count):
        assert not reasons, "nothing comes behind the finish reason"
        ids += item.ids
        reasons += [item.finish_reason] if item.finish_reason else []
    return ids, reasons, failovers


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(generation, "LONGEST_PAUSE_S", 0.0)


@given(
    length=st.integers(1, 12),
    fates=st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["dies", "unreachable", "ends", "reason lost"]))),
)
def test_a_broken_answer_equals_the_unbroken_one(length: int, fates: list[tuple[int, str]]) -> None:
    answer = [*range(1, length), END]
    replicas = ScriptedReplicas(answer, list(fates))
    ids, reasons, failovers = asyncio.run(collect(replicas))
    assert ids == answer
    assert reasons == ["stop"]
    assert replicas.closed == len(replicas.asked)
    assert failovers in (len(replicas.asked) - 1, len(replicas.asked))


def test_what_kills_every_replica_is_given_up() -> None:
    replicas = ScriptedReplicas([1, 2, END], [(1, "dies")] + [(0, "dies")] * 9)
    with pytest.raises(EngineError, match="3 replicas died under this request"):
        asyncio.run(collect(replicas))
    assert [len(generated) for generated in replicas.asked] == [0, 1, 1]


def test_no_replica_in_time_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    replicas = ScriptedReplicas([1, 2, END], [(1, "unreachable"), (0, "hangs")])
    with pytest.raises(EngineError, match=r"no replica went on within 0\.05 s"):
        asyncio.run(collect(replicas, timeout_s=0.05))
    assert replicas.closed == 2


def test_an_engine_that_refuses_is_not_asked_again() -> None:
    replicas = ScriptedReplicas([1, 2, END], [(1, "refuses")])
    with pytest.raises(EngineError, match="failed this request"):
        asyncio.run(collect(replicas))
    assert len(replicas.asked) == 1


def test_leaving_early_aborts() -> None:
    replicas = ScriptedReplicas([1, 2, 3, END], [])

    async def leave() -> None:
        stream = generate(replicas, Job("id", [1], Sampling(max_tokens=9)), END, 5.0)
        assert (await anext(stream)).ids == [1]
        await stream.aclose()

    asyncio.run(leave())
    assert replicas.closed == 1


def test_a_budget_that_is_used_up_needs_no_other_replica() -> None:
    replicas = ScriptedReplicas([1, 2, 3], [(3, "reason lost")])

    async def run() -> list[Generated]:
        return [item async for item in generate(replicas, Job("id", [1], Sampling(max_tokens=3)), END, 5.0)]

    items = asyncio.run(run())
    assert [token for item in items for token in item.ids] == [1, 2, 3]
    assert items[-1].finish_reason == "length"
    assert len(replicas.asked) == 1


@pytest.mark.parametrize(("losses", "lost"), [(2, False), (3, True)])
def test_scores_are_asked_for_elsewhere_when_a_replica_dies_over_them(losses: int, lost: bool) -> None:
    class Dying(ScriptedReplicas):
        async def scores(self, job: Job, generated: Sequence[int], count: int) -> list[dict[int, float]]:
            self.asked.append(list(generated))
            if len(self.asked) <= losses:
                raise ReplicaLostError("dies", died=True)
            return [{token: -0.5} for token in generated]

    replicas = Dying([1, END], [])
    asking = scores(replicas, Job("id", [1], Sampling(max_tokens=9)), [1, END], 5, 5.0)
    if lost:
        with pytest.raises(EngineError, match="3 replicas died under this request"):
            asyncio.run(asking)
    else:
        assert asyncio.run(asking) == [{1: -0.5}, {END: -0.5}]
    assert replicas.asked == [[1, END]] * 3
