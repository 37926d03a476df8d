"""Failover: one stream of tokens for a request, whichever replicas die on the way.

The ingress holds the tokens generated so far. When the replica that answers is lost, another one is given the same
request and those tokens, and goes on behind them: the constraint is replayed over them and they count towards the
budget. With a seed, or greedily, it draws what the first one would have drawn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from octupus.decoding.spec import TurnSpec
from octupus.errors import EngineError
from octupus.serve.engine.sampling import Generated, Sampling
from octupus.serve.ingress.deadline import DeadlineError, before
from octupus.telemetry import event

logger = logging.getLogger("octupus.serve.ingress")

DEATHS_WITHOUT_PROGRESS = 3
"""So many replicas may die under a request without a new token; then the request is taken for what kills them."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0


class ReplicaLostError(EngineError):
    """The replica that was answering is gone or cannot be reached; another one may go on.

    `died` tells that its process ended, rather than that no connection could be made.
    """

    def __init__(self, message: str, died: bool) -> None:
        super().__init__(message)
        self.died = died


@dataclass(frozen=True)
class Job:
    """What a replica is asked for."""

    request_id: str
    prompt_ids: Sequence[int]
    sampling: Sampling
    spec: TurnSpec | None = None
    adapter: str | None = None


class Replicas(Protocol):
    """The engine replicas, one of which is chosen for each call."""

    def generate(self, job: Job, generated: Sequence[int]) -> AsyncGenerator[Generated]:
        """The tokens behind `generated`. Raises ReplicaLostError; closing the generator aborts the request."""
        ...

    async def scores(self, job: Job, generated: Sequence[int], count: int) -> list[dict[int, float]]:
        """See Engine.scores. Raises ReplicaLostError, and EngineError."""
        ...


async def generate(
    replicas: Replicas,
    job: Job,
    end_id: int,
    failover_timeout_s: float,
    on_failover: Callable[[], None] = lambda: None,
) -> AsyncGenerator[Generated]:
    """Tokens as they are generated, the last ones with a finish reason.

    Raises EngineError when a replica refuses the request, when no replica goes on in `failover_timeout_s` seconds
    after a loss, or when replica after replica dies under it without a new token.
    """
    ids: list[int] = []
    patience = _Patience(failover_timeout_s)
    while True:
        try:
            async with aclosing(replicas.generate(job, ids)) as stream:
                while (item := await before(patience.deadline, anext(stream, None))) is not None:
                    patience.restore()
                    ids += item.ids
                    yield item
                    if item.finish_reason is not None:
                        return
            raise ReplicaLostError("the stream of tokens ended without a finish reason", died=False)
        except (ReplicaLostError, DeadlineError) as error:
            on_failover()
            event(logger, "failover", id=job.request_id, tokens=len(ids), reason=error)
            reason = _finished(ids, end_id, job.sampling.max_tokens)
            if reason is not None:  # only the reason was lost
                yield Generated([], reason)
                return
            await patience.wait(error)


async def scores(
    replicas: Replicas,
    job: Job,
    generated: Sequence[int],
    count: int,
    failover_timeout_s: float,
    on_failover: Callable[[], None] = lambda: None,
) -> list[dict[int, float]]:
    """The scores of a whole answer (see Engine.scores), asked for elsewhere when a replica is lost over them.

    Raises EngineError as `generate` does.
    """
    patience = _Patience(failover_timeout_s)
    while True:
        try:
            return await before(patience.deadline, replicas.scores(job, generated, count))
        except (ReplicaLostError, DeadlineError) as error:
            on_failover()
            event(logger, "failover", id=job.request_id, scores=len(generated), reason=error)
            await patience.wait(error)


class _Patience:
    """How long a request goes on trying, since it last got anywhere."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self.restore()

    def restore(self) -> None:
        """Tokens came."""
        self.deadline: float | None = None
        """When the next tokens must be here, by the event loop's clock."""
        self._deaths = 0
        self._pause = FIRST_PAUSE_S

    async def wait(self, error: ReplicaLostError | DeadlineError) -> None:
        """Pause before the next try. Raises EngineError when there is to be none."""
        clock = asyncio.get_running_loop().time
        self._deaths += isinstance(error, ReplicaLostError) and error.died
        if self._deaths >= DEATHS_WITHOUT_PROGRESS:
            raise EngineError(f"{self._deaths} replicas died under this request; it is not tried again") from error
        self.deadline = clock() + self._timeout_s if self.deadline is None else self.deadline
        if clock() + self._pause > self.deadline:
            raise EngineError(f"no replica went on within {self._timeout_s:g} s: {error}") from error
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_S)


def _finished(ids: Sequence[int], end_id: int, max_tokens: int) -> str | None:
    if ids and ids[-1] == end_id:
        return "stop"
    return "length" if len(ids) >= max_tokens else None
