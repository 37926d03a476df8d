"""Makes vLLM draw for the rest of an answer what it would have drawn for the whole, given the seed.

When a replica dies, another goes on with the answer's tokens as the end of its prompt. vLLM's V1 model runner (the one
on CPUs) draws from a generator that starts with the request and moves on at each step, and counts presence and
frequency penalties over new tokens only; so the rest would be drawn otherwise. Here, each draw of a request with a seed
has a seed of its own, made from the request's and from the number of the token within the answer, and the tokens that
exist already are counted as the answer's. The V2 runner (the one on GPUs) does the first by itself: its noise depends
on seed and position (`vllm/v1/worker/gpu/sample/gumbel.py`). It does not do the second: there, presence and frequency
penalties of a continued answer count only the tokens since.

Draws are equal as far as probabilities are: a prompt read at once and tokens read one by one give numbers that differ
in the last bits, as everywhere in vLLM, and a draw at the very border of two tokens may fall to either side.

vLLM mixes `WorkerExtension` into its workers (engine argument `worker_extension_cls`), which the engine calls once.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace
from functools import wraps
from hashlib import blake2b
from typing import Any

import torch

EXISTING = "octupus_existing_tokens"
"""Key in SamplingParams.extra_args: how many tokens at the prompt's end belong to the answer."""


class WorkerExtension:
    """What the engine can call in each worker by `collective_rpc`."""

    def octupus_install_continuation(self) -> str:
        """Change the worker's own model runner; gives its kind, `v1` or `v2`."""
        runner: Any = self.model_runner  # type: ignore[attr-defined]  # of vLLM's worker
        if not hasattr(runner, "input_batch"):
            return "v2"
        runner._sample = sampling_by_position(runner)
        return "v1"


class PositionGenerator(torch.Generator):  # type: ignore[misc]  # torch is not followed
    """A generator that is seeded anew for each token of an answer.

    The V1 runner steps a generator back after a draw that it throws away, in the middle of a long prompt. That is not
    needed here, and on CPUs it is an error that would end the engine.
    """

    def get_offset(self) -> int:
        """Nothing to step back from."""
        return 0

    def set_offset(self, offset: int) -> None:
        """Nothing to step back to."""


def sampling_by_position(runner: Any) -> Any:
    """The method `_sample` of a V1 model runner, with draws and penalties as described above."""
    stock = runner._sample

    @wraps(stock)
    def sample(*arguments: Any, **named: Any) -> Any:
        batch = runner.input_batch
        seed_generators(batch.generators, batch.req_ids, runner.requests)
        metadata = batch.sampling_metadata
        if metadata.no_penalties:
            return stock(*arguments, **named)
        batch.update_async_output_token_ids()  # fills placeholders in the lists that are copied next
        answers = whole_answers(metadata.output_token_ids, batch.req_ids, runner.requests)
        batch.sampling_metadata = replace(metadata, output_token_ids=answers)
        try:
            return stock(*arguments, **named)
        finally:
            batch.sampling_metadata = metadata

    return sample


def seed_generators(generators: MutableMapping[int, Any], requests: Sequence[str], states: Mapping[str, Any]) -> None:
    """Seed the generator of each row for the token that is drawn next.

    generators: by row of the batch, those rows only that have a seed. requests: ids by row. states: vLLM's
    CachedRequestState by id.
    """
    for row, generator in generators.items():
        state = states[requests[row]]
        if not isinstance(generator, PositionGenerator):
            generator = PositionGenerator(generator.device)
            generators[row] = state.generator = generator
        position = existing(state) + len(state.output_token_ids)
        generator.manual_seed(seed_at(state.sampling_params.seed, position))


def seed_at(seed: int, position: int) -> int:
    """The seed of one token of an answer, 64 bits."""
    return int.from_bytes(blake2b(f"{seed}:{position}".encode(), digest_size=8).digest(), "big")


def whole_answers(answers: Sequence[list[int]], requests: Sequence[str], states: Mapping[str, Any]) -> list[list[int]]:
    """For each row the tokens of the answer, those that existed before the request included."""
    whole = []
    for row, drawn in enumerate(answers):
        state = states[requests[row]]
        count = existing(state)
        whole.append(state.prompt_token_ids[-count:] + drawn if count else drawn)
    return whole


def existing(state: Any) -> int:
    """How many tokens of a request's answer stand in its prompt."""
    return int((state.sampling_params.extra_args or {}).get(EXISTING, 0))
