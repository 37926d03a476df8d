"""Whether two models that should be the same give the same logits, on a few tokens spread over the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

PROBE_TOKENS = 24
TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Root mean square of the difference, in standard deviations of the logits. Rounding alone stays below it: the types
carry 24, 11 and 8 bits, and a merged weight is rounded once more than an adapter beside it."""
NEAR_TIE = 4
"""A token is as good as the best one when its logit is at most this many tolerances below."""


def probe_logits(model: Any, ids: Sequence[int]) -> torch.Tensor:
    """Float32 logits of shape (tokens, vocabulary) for a made-up prompt in which each of `ids` stands once.

    `model` is a transformers or PEFT model with whole weights; it is set to evaluation.
    """
    embedding = model.get_input_embeddings()
    vocabulary = int(model.config.get_text_config().vocab_size)
    spread = torch.linspace(0, vocabulary - 1, PROBE_TOKENS).long().tolist()
    prompt = torch.tensor([[*ids, *spread, *ids]], device=next(embedding.parameters()).device)
    model.eval()
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=prompt, use_cache=False).logits
    return logits[0].float().cpu()


def disagreement(expected: torch.Tensor, found: torch.Tensor, dtype: torch.dtype) -> str | None:
    """How `found` differs from `expected`, or None when they agree for weights of type `dtype`.

    They agree when the root mean square of the difference is within TOLERANCE, and each position's greedy token of
    `found` is also that of `expected`, or nearly tied with it.
    """
    if expected.shape != found.shape:
        return f"logits of shape {tuple(found.shape)} instead of {tuple(expected.shape)}"
    unit = expected.std()
    difference = float((found - expected).square().mean().sqrt() / unit)
    if not difference <= TOLERANCE[dtype]:  # written so that NaN disagrees
        return f"logits differ by {difference:.2g} standard deviations, over {TOLERANCE[dtype]:g}"
    chosen = found.argmax(dim=-1, keepdim=True)
    below = (expected.max(dim=-1).values - expected.gather(-1, chosen).squeeze(-1)) / unit
    worst = int(below.argmax())
    if below[worst] > NEAR_TIE * TOLERANCE[dtype]:
        return f"greedy token {int(chosen[worst])} instead of {int(expected[worst].argmax())}"
    return None
