"""The sum of cross-entropies over a pack's trained positions.

Training divides sums by the number of trained tokens of the whole step, over workers and accumulation: a mean of each
pack's mean would weigh tokens of short answers more (measured: 25 % off in gradient).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from octupus.train.feed import IGNORED, Pack


def keeps_logits(model: torch.nn.Module) -> bool:
    """Whether the model computes logits at chosen positions only (transformers' `logits_to_keep`)."""
    return "logits_to_keep" in inspect.signature(model.forward).parameters


def cross_entropy_sum(
    forward: Callable[..., Any], pack: Pack, keep_logits: bool, inputs_embeds: torch.Tensor | None = None
) -> torch.Tensor:
    """Sum over trained tokens of `-log p(token | the document before it)`: a float32 scalar, 0 when none is trained.

    `forward` is a causal language model, or an engine around it; `keep_logits` is what `keeps_logits` says of it.
    `inputs_embeds` of shape (1, tokens, hidden) replaces the lookup of `pack.input_ids`.
    """
    following = pack.labels[0, 1:]
    positions = torch.nonzero(following != IGNORED).squeeze(1)
    inputs = {"input_ids": pack.input_ids} if inputs_embeds is None else {"inputs_embeds": inputs_embeds}
    if keep_logits:
        inputs["logits_to_keep"] = positions
    # use_cache=False: with a cache, transformers would not build the mask that separates documents.
    logits = forward(**inputs, position_ids=pack.position_ids, use_cache=False).logits[0]
    if not keep_logits:
        logits = logits[positions]
    return functional.cross_entropy(logits.float(), following[positions], reduction="sum")
