"""The engine replica: a Serve deployment that owns one vLLM engine. Ids in, ids out."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from octupus.chat.registry import model_chat
from octupus.decoding.spec import TurnSpec
from octupus.serve.config import ServeConfig
from octupus.serve.engine.coalescing import coalesce, window_s
from octupus.serve.engine.placement import Placement
from octupus.serve.engine.sampling import Sampling
from octupus.serve.engine.vllm_engine import Engine, EngineDead
from octupus.telemetry import configure_logging, event

logger = logging.getLogger("octupus.serve.engine.replica")


class EngineReplica:
    """Bound as a Serve deployment by `octupus.serve.app`."""

    async def __init__(self, config: ServeConfig, place: Placement) -> None:  # type: ignore[misc]  # Serve awaits it
        """Raises EngineError when vLLM does not start, with its own words."""
        configure_logging()
        chat = model_chat(config.model.source)
        self._active = 0
        self._engine = await Engine.start(config, chat.tokenizer.end_id, place)
        # Ready only once a token has come out, so that the first client does not wait for what is built lazily.
        async for _ in self._engine.generate(uuid.uuid4().hex, [chat.tokenizer.end_id], Sampling(1), TurnSpec()):
            pass
        event(logger, "engine_ready", model=config.model.source, max_model_len=self._engine.max_model_len)

    async def max_model_len(self) -> int:
        """Longest prompt plus answer, in tokens."""
        return self._engine.max_model_len

    async def generate(
        self,
        prompt_ids: list[int],
        sampling: Sampling,
        spec: TurnSpec | None,
        generated: Sequence[int] = (),
        adapter: str | None = None,
        request_id: str | None = None,
    ) -> AsyncIterator[tuple[Any, ...]]:
        """Yield the tokens of the answer that follow `generated`, in few items; see Engine.generate.

        An item is a Generated as a plain tuple, which Ray writes and reads several times as fast.

        When the engine is dead the process ends at once, and the caller sees Ray's error of a dead actor.
        """
        tokens = self._engine.generate(request_id or uuid.uuid4().hex, prompt_ids, sampling, spec, generated, adapter)
        self._active += 1
        try:
            async with aclosing(coalesce(tokens, lambda: window_s(self._active))) as items:
                async for item in items:
                    yield tuple(item)
        except EngineDead:
            self._exit()
        finally:
            self._active -= 1

    async def scores(
        self, prompt_ids: list[int], generated: list[int], count: int, adapter: str | None = None
    ) -> list[dict[int, float]]:
        """See Engine.scores."""
        try:
            return await self._engine.scores(uuid.uuid4().hex, prompt_ids, generated, count, adapter)
        except EngineDead:
            self._exit()
            raise

    async def check_health(self) -> None:
        """Called by Serve."""
        try:
            await self._engine.check_health()
        except EngineDead:
            self._exit()

    def __del__(self) -> None:
        """Called by Serve when the replica was drained and stops."""
        if hasattr(self, "_engine"):
            self._engine.shutdown()

    def _exit(self) -> None:
        """End the process at once: Serve replaces a dead actor immediately, a failing health check only after three."""
        logger.error("engine_dead pid=%d; the replica exits and Serve starts another", os.getpid())
        os._exit(1)
