"""vLLM's AsyncLLM behind a small interface: token ids in, token ids out. The only caller of vLLM in a replica."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from octupus.decoding.spec import TurnSpec
from octupus.errors import EngineError
from octupus.serve.config import EngineConfig, ServeConfig
from octupus.serve.engine.plugin import VLLM_BACKEND_NAME, register


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn, under vLLM's and OpenAI's names; the end token always ends the turn."""

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0


class EngineDead(EngineError):
    """vLLM's engine process is gone; only a new replica can answer."""


class Engine:
    """One vLLM engine."""

    def __init__(self, config: ServeConfig, end_id: int, on_cpu: bool) -> None:
        register()  # vLLM loads plugins in its processes; validation in this one needs it too
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        arguments = engine_arguments(config.engine, str(config.model.source), on_cpu)
        try:
            self._llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        except TypeError as error:
            raise EngineError(f"engine_kwargs: {error}; vLLM's AsyncEngineArgs lists what it takes") from error
        self._end_id = end_id

    @property
    def max_model_len(self) -> int:
        """Longest prompt plus answer, in tokens."""
        return int(self._llm.model_config.max_model_len)

    async def generate(
        self, request_id: str, prompt_ids: list[int], sampling: Sampling, spec: TurnSpec | None
    ) -> AsyncIterator[tuple[list[int], str | None]]:
        """Yield newly generated ids, and `stop` or `length` with the last ones.

        Closing the iterator aborts the request. Raises EngineDead, and EngineError when vLLM fails the request.
        """
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams
        from vllm.v1.engine.exceptions import EngineDeadError

        parameters = SamplingParams(
            **sampling.__dict__,
            stop_token_ids=[self._end_id],
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
            structured_outputs=StructuredOutputsParams(structural_tag=spec.to_json()) if spec else None,
        )
        try:
            async for output in self._llm.generate({"prompt_token_ids": prompt_ids}, parameters, request_id):
                completion = output.outputs[0]
                reason = completion.finish_reason
                if reason not in (None, "stop", "length"):
                    raise EngineError(f"vLLM ended request {request_id} with {reason!r}; its log says why")
                yield list(completion.token_ids), reason
        except EngineDeadError as error:
            raise EngineDead(str(error)) from error

    async def scores(
        self, request_id: str, prompt_ids: list[int], generated: list[int], count: int
    ) -> list[dict[int, float]]:
        """For each generated position, natural log probabilities of the `count` likeliest tokens and of the one there.

        They are the model's own, of temperature 1 and without a mask, which vLLM applies before it takes them while
        it generates; so the turn is read once more as a prompt. Its last token is left out, since one token is drawn
        behind any prompt: that draw's scores are those of the last position, and the whole fits where the turn did.
        vLLM computes scores of the prompt too, a vocabulary wide for each token of a prefill step.
        Raises EngineDead, and EngineError when vLLM gives none.
        """
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.exceptions import EngineDeadError

        if not generated:
            return []
        parameters = SamplingParams(
            max_tokens=1,
            temperature=0.0,
            logprobs=count,
            prompt_logprobs=count,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        scores: list[dict[int, float]] = []
        read = [*prompt_ids, *generated[:-1]]
        try:
            async for output in self._llm.generate({"prompt_token_ids": read}, parameters, request_id):
                found = [*(output.prompt_logprobs or [])[len(prompt_ids) :], *(output.outputs[0].logprobs or [])]
                scores = [{token: item.logprob for token, item in (place or {}).items()} for place in found]
        except EngineDeadError as error:
            raise EngineDead(str(error)) from error
        if len(scores) != len(generated):
            raise EngineError(f"vLLM scored {len(scores)} of {len(generated)} tokens of request {request_id}")
        return scores

    def shutdown(self) -> None:
        """End the engine's processes."""
        self._llm.shutdown()

    async def check_health(self) -> None:
        """Raises EngineDead when the engine process is gone."""
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            await self._llm.check_health()
        except EngineDeadError as error:
            raise EngineDead(str(error)) from error


def engine_arguments(config: EngineConfig, source: str, on_cpu: bool) -> dict[str, Any]:
    """Arguments of vLLM's AsyncEngineArgs."""
    arguments: dict[str, Any] = {
        "model": source,
        "tensor_parallel_size": config.tensor_parallel_size,
        "dtype": "float32" if on_cpu and config.dtype == "auto" else config.dtype,
        "max_num_seqs": config.max_num_seqs,
        "structured_outputs_config": {"backend": VLLM_BACKEND_NAME},
        "enable_log_requests": False,
        "disable_log_stats": True,
    }
    if config.max_model_len is not None:
        arguments["max_model_len"] = config.max_model_len
    if config.tensor_parallel_size > 1:
        arguments["distributed_executor_backend"] = "mp"
    if on_cpu:
        arguments["enforce_eager"] = True
    else:
        arguments["gpu_memory_utilization"] = config.gpu_memory_utilization
    return arguments | config.engine_kwargs


def engine_environment(config: EngineConfig, on_cpu: bool) -> dict[str, str]:
    """Environment variables that vLLM reads in the replica's process."""
    if not on_cpu:
        return {}
    size = config.tensor_parallel_size
    return {
        "VLLM_CPU_KVCACHE_SPACE": str(config.cpu_kv_cache_gib),
        # One core a rank; a single rank is left to the operating system.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind" if size == 1 else "|".join(str(rank) for rank in range(size)),
        "OMP_NUM_THREADS": "1" if size > 1 else str(min(os.cpu_count() or 1, 4)),
        "VLLM_LOGGING_LEVEL": "WARNING",
    }
