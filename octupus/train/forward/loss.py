"""The sum of cross-entropies over a pack's trained positions.

Training divides sums by the number of trained tokens of the whole step, over workers and accumulation: a mean of each
pack's mean would weigh tokens of short answers more (measured: 25 % off in gradient).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn import functional

from octupus.errors import TrainingError
from octupus.train.config import EngineConfig
from octupus.train.forward.attention import PACKED, no_mask
from octupus.train.forward.chunked_loss import linear_cross_entropy_sum
from octupus.train.model.control_rows import HeadRows
from octupus.train.packs.feed import Pack


@dataclass(frozen=True, slots=True)
class LossSettings:
    """How a model is called for its loss: what follows from its class and the configuration."""

    keeps_logits: bool
    """The model computes logits at chosen positions only (transformers' `logits_to_keep`)."""
    attention: str
    """Its attention implementation."""
    head: Any
    """The layer that makes logits, for chunked cross-entropy."""

    @classmethod
    def of(cls, model: torch.nn.Module, engine: EngineConfig) -> LossSettings:
        """The settings for a transformers model or a PeftModel around one, before or after an engine takes it.

        Raises TrainingError when the model cannot be trained as the configuration says.
        """
        base: Any = model.get_base_model() if hasattr(model, "get_base_model") else model
        parameters = inspect.signature(base.forward).parameters
        attention = base.config._attn_implementation
        if attention == PACKED:
            _require_packable(base, any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()))
        head = _plain_head(base) if engine.cross_entropy == "chunked" else None
        return cls(keeps_logits="logits_to_keep" in parameters, attention=attention, head=head)

    def plain(self) -> LossSettings:
        """The same without what makes packs fast: for one document alone, as anybody would call the model."""
        return replace(self, attention="", head=None)

    def attention_inputs(self, pack: Pack) -> dict[str, Any]:
        """What the model's attention must be told to keep the documents of a pack apart, besides `position_ids`."""
        if self.attention != PACKED and not self.attention.startswith("flash_attention"):
            # transformers builds the mask from restarts of position_ids, if it is given neither a mask nor a cache.
            return {}
        lengths, longest = pack.cumulative_lengths, pack.longest
        inputs = {"cu_seq_lens_q": lengths, "cu_seq_lens_k": lengths, "max_length_q": longest, "max_length_k": longest}
        if self.attention == PACKED:
            inputs["attention_mask"] = no_mask(lengths.device)
        return inputs


def cross_entropy_sum(forward: Callable[..., Any], pack: Pack, settings: LossSettings) -> torch.Tensor:
    """Sum over trained tokens of `-log p(token | the document before it)`: a float32 scalar, 0 when none is trained.

    `forward` is a causal language model, or an engine around it; `settings` are those of the model.
    """
    targets = pack.labels[0, pack.predicting + 1]
    inputs = settings.attention_inputs(pack)
    # use_cache=False: with a cache, transformers would not build the mask that separates documents.
    inputs.update(input_ids=pack.input_ids, position_ids=pack.position_ids, use_cache=False)
    if settings.head is not None:
        with _loss_for_logits(settings.head, pack.predicting, targets):
            loss: torch.Tensor = forward(**inputs).logits
        return loss
    if settings.keeps_logits:
        inputs["logits_to_keep"] = pack.predicting
    logits = forward(**inputs).logits[0]
    if not settings.keeps_logits:
        logits = logits[pack.predicting]
    return functional.cross_entropy(logits.float(), targets, reduction="sum")


@contextmanager
def _loss_for_logits(head: Any, positions: torch.Tensor, targets: torch.Tensor) -> Iterator[None]:
    """Within, the head returns the loss where it would have returned logits.

    Its weights are used inside its own forward pass, since ZeRO 3 gathers them for that long only.
    """

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        return linear_cross_entropy_sum(hidden[0, positions], head.weight, head.bias, targets)

    before = vars(head).get("forward")
    head.forward = forward
    try:
        yield
    finally:
        del head.forward
        if before is not None:
            head.forward = before


def _plain_head(base: Any) -> Any:
    head = base.get_output_embeddings()
    if type(head) not in (torch.nn.Linear, HeadRows):
        raise TrainingError(
            f"chunked cross-entropy needs a plain linear head, and that of {type(base).__name__} is "
            f"{type(head).__name__}; set engine.cross_entropy to full"
        )
    return head


def _require_packable(base: Any, takes_more: bool) -> None:
    unknown = set(getattr(base.config, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
    if not takes_more or unknown or getattr(base.config, "attention_chunk_size", None):
        raise TrainingError(
            f"engine.attn_implementation {PACKED} does not fit {type(base).__name__}: it needs causal attention, full "
            "or with a sliding window, that is told where documents begin; use sdpa"
        )
