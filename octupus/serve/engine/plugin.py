"""octupus's constraint as a structured-output backend inside vLLM's EngineCore.

vLLM calls `register` in each of its processes (entry point group `vllm.general_plugins`). vLLM knows its backends by
name only, so ours takes the place of `lm-format-enforcer`, whose own integration does not import with current
versions; engines that name another backend are left as they are. A request carries its TurnSpec as JSON in
`StructuredOutputsParams(structural_tag=...)`, which vLLM passes through unread for that backend. Masks are filled on
vLLM's bitmask path, beside the forward pass and once for all tensor-parallel ranks, and applied by `serve.bitmask`.
"""

from __future__ import annotations

import gc
from functools import cache
from threading import Lock
from typing import Any

import numpy as np

from octupus.chat.registry import model_chat
from octupus.decoding.spec import TurnSpec
from octupus.decoding.turn import TurnConstraint
from octupus.decoding.turn_factory import TurnFactory
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.serve.engine import bitmask, start_errors

VLLM_BACKEND_NAME = "lm-format-enforcer"


def register() -> None:
    """Put octupus's backend in place. May be called many times in a process."""
    # Both users, the engine core and the request validation, look this attribute up when they need it.
    import vllm.v1.structured_output.backend_lm_format_enforcer as module

    module.LMFormatEnforcerBackend = backend_class()
    bitmask.install()
    start_errors.record()


def check_stop_tokens(stop_token_ids: set[int], factory: TurnFactory) -> None:
    """Raises ValueError unless exactly the end of a turn ends a request: vLLM stops at these ids without asking.

    Ids that no turn can hold, such as further end tokens of a model's generation_config, are harmless.
    """
    tokenizer = factory.vocabulary.tokenizer
    if tokenizer.end_id not in stop_token_ids:
        raise ValueError(
            f"the request does not stop at {tokenizer.end_token} ({tokenizer.end_id}), which ends every turn; "
            "add it to stop_token_ids"
        )
    layout = factory.layout
    inside = {layout.content, layout.call, layout.arguments, layout.call_end, layout.think, layout.think_end}
    control = set(tokenizer.control_tokens.values()) - inside
    cutting = sorted(token for token in stop_token_ids if token < len(tokenizer) and token not in control)
    if cutting:
        raise ValueError(f"stop_token_ids {cutting} can stand inside a turn and would cut it; leave them out")


@cache
def backend_class() -> type:
    """Made on demand: importing vLLM takes seconds and only its own processes need the class."""
    import torch
    from vllm.v1.structured_output.backend_types import (
        StructuredOutputBackend,
        StructuredOutputGrammar,
        StructuredOutputOptions,
    )

    class TurnGrammar(StructuredOutputGrammar):  # type: ignore[misc]
        """One request's TurnConstraint under vLLM's interface."""

        def __init__(self, constraint: TurnConstraint) -> None:
            self._constraint = constraint
            self._accepted = 0

        def accept_tokens(self, request_id: str, tokens: list[int]) -> bool:
            if not self._constraint.accept_all(tokens):
                return False
            self._accepted += len(tokens)
            return True

        def validate_tokens(self, tokens: list[int]) -> list[int]:
            valid: list[int] = []
            for token_id in tokens:
                if not self._constraint.accept(token_id):
                    break
                valid.append(token_id)
            self._constraint.rollback(len(valid))
            return valid

        def rollback(self, num_tokens: int) -> None:
            self._constraint.rollback(num_tokens)
            self._accepted -= num_tokens

        def fill_bitmask(self, bitmask: Any, batch_index: int) -> None:
            # Same memory, seen as numpy: the constraint writes into vLLM's tensor.
            self._constraint.fill(bitmask[batch_index].numpy().view(np.uint32))

        def is_terminated(self) -> bool:
            return self._constraint.is_done()

        def reset(self) -> None:
            self.rollback(self._accepted)

    class OctupusBackend(StructuredOutputBackend):  # type: ignore[misc]
        """Compiles TurnSpecs for one engine, in several threads at once. What it raises fails that request alone."""

        def __init__(self, vllm_config: Any, tokenizer: Any, vocab_size: int) -> None:
            super().__init__(vllm_config, tokenizer, vocab_size)
            self._lock = Lock()
            self._made: TurnFactory | None = None

        def factory(self) -> TurnFactory:
            """Made by the first request, off the engine's loop: the tables of a large vocabulary take a second."""
            with self._lock:
                if self._made is None:
                    chat = model_chat(self.vllm_config.model_config.tokenizer)
                    layout = chat.dialect.layout(chat.tokenizer)
                    self._made = TurnFactory(TokenVocabulary(chat.tokenizer, self.vocab_size), layout)
                    self._made.warm()
                    # Millions of objects that stay would be looked at by every collection, in the middle of a step.
                    gc.collect()
                    gc.freeze()
                return self._made

        def compile_grammar(
            self, request_type: StructuredOutputOptions, grammar_spec: str, stop_token_ids: set[int] | None = None
        ) -> TurnGrammar:
            if request_type is not StructuredOutputOptions.STRUCTURAL_TAG:
                raise ValueError(f"octupus's engine takes a TurnSpec as structural_tag, not {request_type.name}")
            factory = self.factory()
            if stop_token_ids is not None:
                check_stop_tokens(stop_token_ids, factory)
            return TurnGrammar(factory.turn(TurnSpec.from_json(grammar_spec)))

        def allocate_token_bitmask(self, max_num_seqs: int) -> torch.Tensor:
            return torch.full((max_num_seqs, (self.vocab_size + 31) // 32), -1, dtype=torch.int32)

        def destroy(self) -> None:
            pass

    return OctupusBackend
