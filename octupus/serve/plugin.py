"""octupus's constraint as a structured-output backend inside vLLM's EngineCore.

vLLM calls `register` in each of its processes (entry point group `vllm.general_plugins`). vLLM knows its backends by
name only, so ours takes the place of `lm-format-enforcer`, whose own integration does not import with current
versions. A request carries its TurnSpec as JSON in `StructuredOutputsParams(structural_tag=...)`, which vLLM passes
through unread for that backend. Masks are filled on vLLM's bitmask path, beside the forward pass and once for all
tensor-parallel ranks.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.backends import Backends
from octupus.decoding.turn import TurnConstraint, TurnSpec
from octupus.decoding.vocabulary import TokenVocabulary

VLLM_BACKEND_NAME = "lm-format-enforcer"


def register() -> None:
    """Put octupus's backend in place. May be called many times in a process."""
    # Both users, the engine core and the request validation, look this attribute up when they need it.
    import vllm.v1.structured_output.backend_lm_format_enforcer as module

    module.LMFormatEnforcerBackend = _backend_class()


def _backend_class() -> type:
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
            if self._constraint.is_done():
                return True
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
        """Compiles TurnSpecs for one engine."""

        @cached_property
        def _backends(self) -> Backends:
            tokenizer = ChatTokenizer.from_directory(self.vllm_config.model_config.tokenizer)
            return Backends(TokenVocabulary(tokenizer, self.vocab_size))

        def compile_grammar(
            self, request_type: StructuredOutputOptions, grammar_spec: str, stop_token_ids: set[int] | None = None
        ) -> TurnGrammar:
            if request_type is not StructuredOutputOptions.STRUCTURAL_TAG:
                raise ValueError(f"octupus's engine takes a TurnSpec as structural_tag, not {request_type.name}")
            spec = TurnSpec.from_json(grammar_spec)
            backends = self._backends
            return TurnGrammar(TurnConstraint(spec, backends.vocabulary, backends.named(spec.backend)))

        def allocate_token_bitmask(self, max_num_seqs: int) -> torch.Tensor:
            return torch.full((max_num_seqs, (self.vocab_size + 31) // 32), -1, dtype=torch.int32)

        def destroy(self) -> None:
            pass

    return OctupusBackend
