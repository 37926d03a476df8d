"""A teacher of vLLM's AsyncLLM inside the job: the only file of the data layer that imports vLLM, in an actor alone."""

from __future__ import annotations

import itertools
import os
from typing import Any

from octupus.data.reanswer.config import EngineConfig
from octupus.data.reanswer.teacher import TeacherError
from octupus.endpoint.config import SamplingConfig
from octupus.endpoint.outcome import DETAIL_CHARACTERS, Answer, Failure, Outcome


def engine_environment(engine: EngineConfig, on_cpu: bool) -> dict[str, str]:
    """Environment variables that vLLM reads in the actor's process."""
    if not on_cpu:
        return {}
    size = engine.tensor_parallel_size
    return {
        "VLLM_CPU_KVCACHE_SPACE": str(engine.cpu_kv_cache_gib),
        # One core a rank; a single rank is left to the operating system.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind" if size == 1 else "|".join(map(str, range(size))),
        # Ray would set it to the actor's CPUs.
        "OMP_NUM_THREADS": "1" if size > 1 else str(min(os.cpu_count() or 1, 4)),
        "VLLM_LOGGING_LEVEL": "WARNING",
    }


class VllmTeacher:
    """One engine; vLLM itself batches the prompts that are open at the same time."""

    def __init__(self, model: str, sampling: SamplingConfig, engine: EngineConfig, concurrency: int, on_cpu: bool):
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        try:
            arguments = AsyncEngineArgs(**_arguments(model, engine, concurrency, on_cpu))
        except TypeError as error:
            raise TeacherError(f"engine.engine_kwargs: {error}; vLLM's AsyncEngineArgs lists what it takes") from error
        self._llm = AsyncLLM.from_engine_args(arguments)
        self._tokenizer = self._llm.get_tokenizer()
        if not self._tokenizer.chat_template:
            raise TeacherError(
                f"model {model} has no chat template; choose an instruction-tuned model, or add chat_template to it"
            )
        self._max_model_len = int(self._llm.model_config.max_model_len)
        self._sampling = sampling
        self._chat_template_kwargs = engine.chat_template_kwargs
        self._ids = itertools.count()

    async def ask(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Outcome:
        """One assistant turn, as text."""
        from jinja2 import TemplateError
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        try:
            ids = self._tokenizer.apply_chat_template(
                messages,
                tools=tools or None,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=False,
                **self._chat_template_kwargs,
            )
        except TemplateError as error:  # such as a template that refuses a system message
            return Failure(reason="chat_template", detail=str(error)[:DETAIL_CHARACTERS], final=True)
        room = self._max_model_len - len(ids)
        if room < 1:
            detail = f"{len(ids)} tokens; the engine takes {self._max_model_len} with the answer"
            return Failure(reason="prompt_too_long", detail=detail, final=True)
        chosen = self._sampling.model_dump(exclude_none=True) | {"max_tokens": min(self._sampling.max_tokens, room)}
        parameters = SamplingParams(**chosen, output_kind=RequestOutputKind.FINAL_ONLY)
        async for output in self._llm.generate({"prompt_token_ids": ids}, parameters, f"reanswer-{next(self._ids)}"):
            completion = output.outputs[0]
        if completion.finish_reason not in ("stop", "length"):
            return Failure(reason="engine", detail=f"vLLM ended the request with {completion.finish_reason!r}")
        return Answer(
            content=completion.text,
            finish_reason=completion.finish_reason,
            tokens_in=len(ids),
            tokens_out=len(completion.token_ids),
        )


def _arguments(model: str, engine: EngineConfig, concurrency: int, on_cpu: bool) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "model": model,
        "tensor_parallel_size": engine.tensor_parallel_size,
        "dtype": "float32" if on_cpu and engine.dtype == "auto" else engine.dtype,
        "max_num_seqs": concurrency,
        "enable_log_requests": False,
        "disable_log_stats": True,
    }
    if engine.max_model_len is not None:
        arguments["max_model_len"] = engine.max_model_len
    if engine.tensor_parallel_size > 1:
        arguments["distributed_executor_backend"] = "mp"
    if on_cpu:
        arguments["enforce_eager"] = True
    else:
        arguments["gpu_memory_utilization"] = engine.gpu_memory_utilization
    return arguments | engine.engine_kwargs
