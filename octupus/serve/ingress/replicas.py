"""The engine replicas as Serve's handle reaches them: what Ray raises becomes what failover understands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import grpc
from ray.exceptions import ActorDiedError, RayError, RayTaskError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle

from octupus.errors import EngineError, RequestError
from octupus.serve.engine.sampling import Generated
from octupus.serve.ingress.generation import Job, ReplicaLostError

_FAILURES = (RayError, RayServeException, grpc.aio.AioRpcError, asyncio.CancelledError)


class ServeReplicas:
    """See generation.Replicas."""

    def __init__(self, engine: DeploymentHandle) -> None:
        self._generate = engine.options(method_name="generate", stream=True)
        self._scores = engine.options(method_name="scores")
        self._max_model_len = engine.options(method_name="max_model_len")

    async def max_model_len(self) -> int:
        """Longest prompt plus answer, in tokens; waits until a replica is there."""
        return int(await self._max_model_len.remote())

    async def generate(self, job: Job, generated: Sequence[int]) -> AsyncGenerator[Generated]:
        """See generation.Replicas."""
        stream: Any = None
        finished = False
        try:
            stream = self._generate.remote(
                list(job.prompt_ids), job.sampling, job.spec, list(generated), job.adapter, job.request_id
            )
            async for fields in stream:
                item = Generated(*fields)
                finished = item.finish_reason is not None
                yield item
        except _FAILURES as error:
            raise _translated(error) from error
        finally:
            if stream is not None and not finished:
                stream.cancel()

    async def scores(self, job: Job, generated: Sequence[int], count: int) -> list[dict[int, float]]:
        """See Engine.scores. Raises EngineError."""
        try:
            scores: list[dict[int, float]] = await self._scores.remote(
                list(job.prompt_ids), list(generated), count, job.adapter
            )
        except _FAILURES as error:
            raise _translated(error) from error
        return scores


def _translated(error: BaseException) -> BaseException:
    if isinstance(error, asyncio.CancelledError | TaskCancelledError):
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            return error  # the client is gone
        # Serve cancels what a replica still answers when its time to drain is over.
        return ReplicaLostError("the replica was stopped", died=False)
    if isinstance(error, RayTaskError):
        # What the replica itself raised; another one would raise it too.
        cause = error.cause
        known = isinstance(cause, RequestError | EngineError)
        return cause if known else EngineError(f"the replica failed: {cause!r}")
    if isinstance(error, BackPressureError):
        return RequestError("all replicas are busy; ask again", code="overloaded", status=429)
    first_line = str(error).partition("\n")[0]
    return ReplicaLostError(f"{type(error).__name__}: {first_line}", died=isinstance(error, ActorDiedError))
