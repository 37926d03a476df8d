"""AdamW over the trained parameters."""

from __future__ import annotations

from typing import Any

import torch

from octupus.train.config import OptimizerConfig


def parameter_groups(model: torch.nn.Module, settings: OptimizerConfig) -> list[dict[str, Any]]:
    """The trained parameters with their weight decay, which only matrices get; groups are never empty."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if settings.weight_decay == 0:
        return [{"params": trained, "weight_decay": 0.0}]
    groups = [
        {"params": [p for p in trained if _dimensions(p) >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if _dimensions(p) < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def adamw(model: torch.nn.Module, settings: OptimizerConfig) -> torch.optim.AdamW:
    """PyTorch's AdamW in its fused form, which updates all of a tensor in one pass on GPU and CPU alike."""
    return torch.optim.AdamW(parameter_groups(model, settings), lr=settings.lr, betas=settings.betas, fused=True)


def _dimensions(parameter: torch.nn.Parameter) -> int:
    # ZeRO-3 leaves an empty tensor in place of a partitioned weight and notes the whole one's shape.
    return len(getattr(parameter, "ds_shape", parameter.shape))
