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
from octupus.train.attention import PACKED, no_mask
from octupus.train.config import EngineConfig
from octupus.train.feed import Pack

CHUNK_LOGITS = 1 << 24
"""Logits that chunked cross-entropy holds at a time: 64 MiB in float32."""


@dataclass(frozen=True, slots=True)
class LossSettings:
    """How a model is called for its loss: what follows from its class and the configuration."""

    keeps_logits: bool
    """The model computes logits at chosen positions only (transformers' `logits_to_keep`)."""
    attention: str
    """Its attention implementation."""
    head: torch.nn.Linear | None
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


def linear_cross_entropy_sum(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
) -> torch.Tensor:
    """`cross_entropy(linear(hidden, weight, bias).float(), targets, reduction="sum")` in little memory; float32.

    `hidden` is (tokens, size), `weight` (vocabulary, size), `targets` int64 (tokens,). Logits exist for a part of the
    vocabulary at a time and are computed again in the backward pass: four matrix products instead of three.
    """
    loss: torch.Tensor = _LinearCrossEntropy.apply(hidden, weight, bias, targets)
    return loss


class _LinearCrossEntropy(torch.autograd.Function):  # type: ignore[misc]
    """Instead of torch.nn.functional.linear_cross_entropy, which in bfloat16 returns a bfloat16 sum (a loss and a
    gradient's factor of 8 bits) and takes chunks of tokens, so that the weight's gradient is rounded once a chunk.

    With chunks of the vocabulary each row of the weight's gradient is one product, rounded once, without a float32
    copy of the whole.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
    ) -> torch.Tensor:
        log_normaliser = hidden.new_full((len(hidden),), -torch.inf, dtype=torch.float32)
        target_logits = torch.zeros_like(log_normaliser)
        for rows in _chunks(len(weight), len(hidden)):
            logits = _logits(hidden, weight, bias, rows)
            log_normaliser = torch.logaddexp(log_normaliser, logits.logsumexp(dim=1))
            column, inside = _columns(targets, rows)
            target_logits += torch.where(inside, logits.gather(1, column).squeeze(1), 0.0)
        ctx.save_for_backward(hidden, weight, bias, targets, log_normaliser)
        return (log_normaliser - target_logits).sum()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, weight, bias, targets, log_normaliser = ctx.saved_tensors
        for_hidden, for_weight, for_bias, _ = ctx.needs_input_grad
        hidden_gradient = torch.zeros_like(hidden, dtype=torch.float32) if for_hidden else None
        weight_gradient = torch.empty_like(weight) if for_weight else None
        bias_gradient = torch.empty_like(bias) if for_bias else None
        for rows in _chunks(len(weight), len(hidden)):
            # d loss / d logits = softmax(logits) - one_hot(target)
            logits_gradient = _logits(hidden, weight, bias, rows).sub_(log_normaliser[:, None]).exp_()
            column, inside = _columns(targets, rows)
            logits_gradient.scatter_add_(1, column, -inside[:, None].float())
            logits_gradient = logits_gradient.mul_(gradient).to(hidden.dtype)
            if hidden_gradient is not None:
                hidden_gradient += _float32_product(logits_gradient, weight[rows])
            if weight_gradient is not None:
                torch.mm(logits_gradient.T, hidden, out=weight_gradient[rows])
            if bias_gradient is not None:
                bias_gradient[rows] = logits_gradient.sum(dim=0)
        if hidden_gradient is not None:
            hidden_gradient = hidden_gradient.to(hidden.dtype)
        return hidden_gradient, weight_gradient, bias_gradient, None


def _chunks(vocabulary: int, tokens: int) -> Iterator[slice]:
    step = max(1, CHUNK_LOGITS // max(1, tokens))
    return (slice(first, min(first + step, vocabulary)) for first in range(0, vocabulary, step))


def _logits(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, rows: slice) -> torch.Tensor:
    logits = hidden @ weight[rows].T
    return (logits if bias is None else logits + bias[rows]).float()


def _float32_product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Not rounded to 16 bits, as it is a part of a sum."""
    if left.is_cuda and left.dtype != torch.float32:
        return torch.mm(left, right, out_dtype=torch.float32)
    return left.float() @ right.float()


def _columns(targets: torch.Tensor, rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """Each target's column among `rows`, (tokens, 1), and whether it is there at all; no wait for a GPU."""
    inside = (targets >= rows.start) & (targets < rows.stop)
    return torch.where(inside, targets - rows.start, 0).unsqueeze(1), inside


@contextmanager
def _loss_for_logits(head: torch.nn.Linear, positions: torch.Tensor, targets: torch.Tensor) -> Iterator[None]:
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


def _plain_head(base: Any) -> torch.nn.Linear:
    head = base.get_output_embeddings()
    if type(head) is not torch.nn.Linear:
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
