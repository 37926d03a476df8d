"""vLLM's AsyncLLM behind a small interface: token ids in, token ids out. The only caller of vLLM in a replica."""

from __future__ import annotations

import asyncio
import logging
import math
import tempfile
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octupus.decoding.spec import TurnSpec
from octupus.errors import EngineError, RequestError
from octupus.serve.config import ServeConfig
from octupus.serve.engine.adapters import Adapters, AdapterVersions
from octupus.serve.engine.arguments import engine_arguments
from octupus.serve.engine.continuation import EXISTING
from octupus.serve.engine.placement import Placement
from octupus.serve.engine.plugin import register
from octupus.serve.engine.sampling import Generated, Sampling, TokenScores
from octupus.serve.engine.start_errors import start_errors
from octupus.serve.engine.vllm_logging import import_vllm_logging
from octupus.telemetry import event

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest

logger = logging.getLogger("octupus.serve.engine.vllm_engine")


class EngineDead(EngineError):
    """vLLM's engine process is gone; only a new replica can answer."""


class Engine:
    """One vLLM engine."""

    @classmethod
    async def start(cls, config: ServeConfig, end_id: int, place: Placement) -> Engine:
        """Start the engine's processes. Raises EngineError with the engine's own words when they do not come up."""
        engine = cls(config, end_id, place)
        with _engine_errors():
            runners = await engine._llm.collective_rpc("octupus_install_continuation")
        event(logger, "engine_started", model=config.model.source, model_runner=runners[0], workers=len(runners))
        return engine

    def __init__(self, config: ServeConfig, end_id: int, place: Placement) -> None:
        import_vllm_logging()
        with start_errors() as errors:
            register()  # vLLM loads plugins in its processes; validation in this one needs it too
            self._llm = _started(engine_arguments(config, place), errors.root_cause)
        self._end_id = end_id
        adapters = Adapters(config.adapters.directory, config.adapters.max_lora_rank)
        self._copies = tempfile.TemporaryDirectory(prefix="octupus-adapters-")
        self._adapters = AdapterVersions(adapters, Path(self._copies.name))
        self._loadable: set[int] = set()

    @property
    def max_model_len(self) -> int:
        """Longest prompt plus answer, in tokens."""
        return int(self._llm.model_config.max_model_len)

    async def generate(
        self,
        request_id: str,
        prompt_ids: list[int],
        sampling: Sampling,
        spec: TurnSpec | None,
        generated: Sequence[int] = (),
        adapter: str | None = None,
    ) -> AsyncGenerator[Generated, None]:
        """Yield the tokens that follow `generated`, the part of the answer that exists already.

        What `sampling` and `spec` limit is the whole answer. With a seed the tokens are those that an unbroken answer
        would have had; see `continuation.py` for what that covers. Closing the iterator aborts the request. Raises
        RequestError when vLLM or the adapter refuses the request, EngineDead, and EngineError when vLLM fails it.
        """
        left = sampling.max_tokens - len(generated)
        if left < 1 or self._end_id in generated[-1:]:
            yield Generated([], "stop" if self._end_id in generated[-1:] else "length")
            return
        parameters = self._parameters(sampling, spec, generated)
        lora = await self._lora(adapter)
        told = bool(generated)
        with _engine_errors():
            outputs = self._llm.generate(
                {"prompt_token_ids": [*prompt_ids, *generated]}, parameters, request_id, lora_request=lora
            )
            async with aclosing(outputs):
                async for output in outputs:
                    completion = output.outputs[0]
                    reason = completion.finish_reason
                    if reason not in (None, "stop", "length"):
                        raise EngineError(f"vLLM ended request {request_id} with {reason!r}; its log says why")
                    ids = list(completion.token_ids)
                    scores = _scores(ids, completion.logprobs) if sampling.logprobs is not None else None
                    yield Generated(ids, reason, scores, None if told else output.num_cached_tokens)
                    told = True

    def _parameters(self, sampling: Sampling, spec: TurnSpec | None, generated: Sequence[int]) -> Any:
        """vLLM's SamplingParams for what is left of the answer."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        if spec is not None and generated:
            spec = replace(spec, generated=tuple(generated))
        with _engine_errors():
            return SamplingParams(
                **vars(sampling)
                | {"max_tokens": sampling.max_tokens - len(generated), "logit_bias": sampling.logit_bias or None},
                stop_token_ids=[self._end_id],
                detokenize=False,
                output_kind=RequestOutputKind.DELTA,
                structured_outputs=StructuredOutputsParams(structural_tag=spec.to_json()) if spec else None,
                extra_args={EXISTING: len(generated)} if generated else None,
            )

    async def _lora(self, name: str | None) -> LoRARequest | None:
        """vLLM's handle of an adapter, once it was seen to load."""
        if name is None:
            return None
        from vllm.lora.request import LoRARequest

        version = self._adapters.version(name)
        request = LoRARequest(version.name, version.identifier, str(version.path))
        if version.identifier not in self._loadable:
            # Loaded here and not with the request: what fails in the middle of a step ends the engine. vLLM raises
            # the bare class Exception for a call that failed.
            outcome: Any
            (outcome,) = await asyncio.gather(self._llm.add_lora(request), return_exceptions=True)
            with _engine_errors():
                await self._llm.check_health()
            if isinstance(outcome, BaseException):
                raise RequestError(
                    f"the adapter {name!r} cannot be loaded: {outcome}", "model", "adapter_not_servable"
                ) from outcome
            self._loadable.add(version.identifier)
        return request

    async def scores(
        self, request_id: str, prompt_ids: list[int], generated: list[int], count: int, adapter: str | None = None
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
        lora = await self._lora(adapter)
        scores: list[dict[int, float]] = []
        read = {"prompt_token_ids": [*prompt_ids, *generated[:-1]]}
        with _engine_errors():
            async for output in self._llm.generate(read, parameters, request_id, lora_request=lora):
                found = [*(output.prompt_logprobs or [])[len(prompt_ids) :], *(output.outputs[0].logprobs or [])]
                scores = [{token: item.logprob for token, item in (place or {}).items()} for place in found]
        if len(scores) != len(generated):
            raise EngineError(f"vLLM scored {len(scores)} of {len(generated)} tokens of request {request_id}")
        return scores

    async def check_health(self) -> None:
        """Raises EngineDead when the engine process is gone."""
        with _engine_errors():
            await self._llm.check_health()

    def shutdown(self) -> None:
        """End the engine's processes. May be called more than once."""
        self._llm.shutdown()
        self._copies.cleanup()


def _started(arguments: dict[str, Any], root_cause: Any) -> Any:
    """A running AsyncLLM. vLLM checks the values in its configuration classes before it starts a process."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    try:
        return AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
    except (RuntimeError, ValueError, TypeError, ArithmeticError, OSError) as error:  # of a model's broken files too
        cause = root_cause() or f"{type(error).__name__}: {error}"
        raise EngineError(f"vLLM did not start: {cause}") from error


@contextmanager
def _engine_errors() -> Iterator[None]:
    """vLLM's errors as octupus's."""
    from vllm.exceptions import VLLMClientError
    from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

    try:
        yield
    except EngineDeadError as error:
        raise EngineDead(str(error)) from error
    except VLLMClientError as error:
        # str(error) would repeat the value, such as all ids of a prompt.
        parameter = getattr(error, "parameter", None)
        raise RequestError(f"vLLM refuses the request: {error.args[0] if error.args else error}", parameter) from error
    except EngineGenerateError as error:
        raise EngineError(f"vLLM failed the request: {error.__cause__ or error}") from error


def _scores(ids: Sequence[int], logprobs: Sequence[Mapping[int, Any]] | None) -> list[TokenScores]:
    """One entry a token, from vLLM's; tokens that the constraint forbids are no alternatives."""
    scores: list[TokenScores] = []
    for token, place in zip(ids, logprobs or (), strict=True):
        best = sorted(place.items(), key=lambda entry: (entry[1].rank, entry[0] != token))
        scores.append(
            [
                (token, place[token].logprob),
                *((other, item.logprob) for other, item in best if other != token and item.logprob > -math.inf),
            ]
        )
    return scores
