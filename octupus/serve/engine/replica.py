"""The engine replica: a Serve deployment that owns one vLLM engine. Ids in, ids out."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import AsyncIterator

from octupus.chat.registry import model_chat
from octupus.decoding.spec import TurnSpec
from octupus.serve.config import ServeConfig
from octupus.serve.engine.vllm_engine import Engine, EngineDead, Sampling
from octupus.telemetry import configure_logging, event

logger = logging.getLogger("octupus.serve.engine.replica")


class EngineReplica:
    """Bound as a Serve deployment by `octupus.serve.app`."""

    async def __init__(self, config: ServeConfig, on_cpu: bool) -> None:  # type: ignore[misc]  # Serve awaits it
        configure_logging()
        chat = model_chat(config.model.source)
        self._engine = Engine(config, chat.tokenizer.end_id, on_cpu)
        # Ready only once a token has come out, so that the first client does not wait for what is built lazily.
        async for _ in self.generate([chat.tokenizer.end_id], Sampling(max_tokens=1), TurnSpec()):
            pass
        event(logger, "engine_ready", model=config.model.source, max_model_len=self._engine.max_model_len)

    async def max_model_len(self) -> int:
        """Longest prompt plus answer, in tokens."""
        return self._engine.max_model_len

    async def generate(
        self, prompt_ids: list[int], sampling: Sampling, spec: TurnSpec | None
    ) -> AsyncIterator[tuple[list[int], str | None]]:
        """See Engine.generate."""
        try:
            async for item in self._engine.generate(uuid.uuid4().hex, prompt_ids, sampling, spec):
                yield item
        except EngineDead:
            self._exit()

    async def scores(self, prompt_ids: list[int], generated: list[int], count: int) -> list[dict[int, float]]:
        """See Engine.scores."""
        try:
            return await self._engine.scores(uuid.uuid4().hex, prompt_ids, generated, count)
        except EngineDead:
            self._exit()
            raise

    async def check_health(self) -> None:
        """Called by Serve."""
        try:
            await self._engine.check_health()
        except EngineDead:
            self._exit()

    def _exit(self) -> None:
        """End the process at once: Serve replaces a dead actor immediately, a failing health check only after three."""
        logger.error("engine_dead pid=%d; the replica exits and Serve starts another", os.getpid())
        os._exit(1)
