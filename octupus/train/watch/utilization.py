"""How much of what the GPUs can do a step used (MFU)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from octupus.errors import ConfigError
from octupus.train.config import LoraConfig, StageConfig
from octupus.train.estimate.accelerators import peak_flops
from octupus.train.estimate.flops import ModelShape, read_model_shape, step_flops
from octupus.train.group import WorkerGroup
from octupus.train.packs.feed import Pack


@dataclass(frozen=True)
class Utilization:
    """Model FLOPs of the workers' packs beside the dense matrix rate of their GPUs."""

    shape: ModelShape
    peak: float
    """FLOP/s of one GPU in the type of training."""
    lora: LoraConfig | None
    group: WorkerGroup

    @staticmethod
    def of(config: StageConfig, group: WorkerGroup) -> Utilization | None:
        """None on CPU, on a GPU whose rate is not known, and for a model whose FLOPs are not."""
        if group.device.type != "cuda":
            return None
        peak = peak_flops(torch.cuda.get_device_name(group.device), config.engine.dtype)
        try:
            shape = read_model_shape(config.model)
        except ConfigError:
            return None
        return None if peak is None else Utilization(shape, peak, config.lora, group)

    def mfu(self, packs: Sequence[Pack], seconds: float) -> float:
        """The share that a step of `seconds` used. Collective; `packs` are this worker's."""
        tokens, trained, squared_lengths = self.group.sum(
            [
                sum(pack.tokens for pack in packs),
                sum(pack.trained_tokens for pack in packs),
                sum(map(_squared_lengths, packs)),
            ]
        )
        rank = None if self.lora is None else self.lora.rank
        target = "all-linear" if self.lora is None else self.lora.target
        flops = step_flops(self.shape, int(tokens), int(trained), int(squared_lengths), rank, target)
        return flops / (seconds * self.peak * self.group.world)


def _squared_lengths(pack: Pack) -> int:
    padding = pack.input_ids.numel() - pack.tokens  # a document too, but of no use
    squared = int(pack.cumulative_lengths.diff().long().square().sum().item())
    return squared - int(padding) * int(padding)
