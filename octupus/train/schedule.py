"""The learning rate as a pure function of the step, so that it needs no state in a checkpoint."""

from __future__ import annotations

import math


def cosine_with_min_lr(step: int, steps: int, lr: float, min_lr: float, warmup_steps: int) -> float:
    """Learning rate of `step` (counted from 0) of `steps`.

    Rises linearly to `lr` over the warm-up, whose first step already trains, then falls to `min_lr` at the last step:
    `min_lr + (lr - min_lr) * (1 + cos(pi * progress)) / 2` (SGDR, Loshchilov and Hutter 2017, equation 5).
    """
    if step < warmup_steps:
        return lr * (step + 1) / (warmup_steps + 1)
    progress = min(1.0, (step - warmup_steps) / max(1, steps - 1 - warmup_steps))
    return min_lr + (lr - min_lr) * 0.5 * (1.0 + math.cos(math.pi * progress))
