"""The interface between the training loop and what shards and steps the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from octupus.train.config import StageConfig


class Engine(Protocol):
    """What the training loop needs of a distributed engine. Every method is collective: all workers call it alike."""

    @property
    def module(self) -> torch.nn.Module:
        """The model inside."""
        ...

    def forward(self, **inputs: Any) -> Any:
        """Run the model."""
        ...

    def backward(self, loss: torch.Tensor) -> None:
        """Accumulate the gradient of `loss`; over workers the mean is taken."""
        ...

    def step(self, lr: float) -> float:
        """Clip, update the weights and clear the gradient; returns its global L2 norm before clipping."""
        ...

    def save(self, directory: Path) -> None:
        """Write this worker's share of the state below `directory`."""
        ...

    def load(self, directory: Path, world: int) -> None:
        """Read what `save` wrote with `world` workers. Raises TrainingError when it does not fit."""
        ...

    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """The whole model's weights (of LoRA: the trained ones) in the type of training; complete on rank 0."""
        ...


def start_engine(model: torch.nn.Module, config: StageConfig, world: int, device: torch.device) -> Engine:
    """The engine that the configuration names, around `model`."""
    if config.engine.kind == "plain":
        from octupus.train.engine.plain_engine import PlainEngine

        return PlainEngine(model, config)
    from octupus.train.engine.deepspeed_engine import DeepSpeedEngine

    return DeepSpeedEngine(model, config, world, device)
