"""Cross-entropy of a linear layer's output without ever holding all of its logits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

CHUNK_LOGITS = 1 << 24
"""Logits that chunked cross-entropy holds at a time: 64 MiB in float32."""


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
