"""The engine that shards and steps the model. The only module that imports DeepSpeed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from octupus.errors import TrainingError
from octupus.train.config import StageConfig

TAG = "state"
REDUCE_BUCKET_ELEMENTS = 50_000_000


class Engine(Protocol):
    """What the training loop needs of a distributed engine. Every method is collective: all workers call it alike."""

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

    def load(self, directory: Path) -> None:
        """Read what `save` wrote. Raises TrainingError when it does not fit."""
        ...

    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """The whole model's weights in the type of training; complete on rank 0."""
        ...


class DeepSpeedEngine:
    """ZeRO-1 or ZeRO-2 with PyTorch's AdamW; see Engine."""

    def __init__(self, model: torch.nn.Module, config: StageConfig, world: int, device: torch.device) -> None:
        if device.type == "cpu":
            os.environ["DS_ACCELERATOR"] = "cpu"
        import deepspeed

        if device.type == "cpu":
            # The answer to "which extensions may be compiled?". DeepSpeed's shared-memory one takes most of a minute
            # with g++ and serves inference alone: training never calls it.
            deepspeed.ops.__compatible_ops__ = {}
        self._engine, *_ = deepspeed.initialize(
            model=model,
            optimizer=_optimizer(model, config, device),
            config=_deepspeed_config(config, world),
            dist_init_required=False,
        )

    def forward(self, **inputs: Any) -> Any:
        """See Engine.forward."""
        return self._engine(**inputs)

    def backward(self, loss: torch.Tensor) -> None:
        """See Engine.backward."""
        self._engine.backward(loss, scale_wrt_gas=False)

    def step(self, lr: float) -> float:
        """See Engine.step."""
        for group in self._engine.optimizer.param_groups:
            group["lr"] = lr
        self._engine.step()
        return float(self._engine.get_global_grad_norm())

    def save(self, directory: Path) -> None:
        """See Engine.save."""
        self._engine.save_checkpoint(str(directory), tag=TAG)

    def load(self, directory: Path) -> None:
        """See Engine.load."""
        loaded, _ = self._engine.load_checkpoint(str(directory), tag=TAG)
        if loaded is None:
            raise TrainingError(f"{directory} holds no DeepSpeed state; remove this checkpoint and run again")

    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """See Engine.state_dict."""
        state: Mapping[str, torch.Tensor] = self._engine.module.state_dict()
        return state


def _optimizer(model: torch.nn.Module, config: StageConfig, device: torch.device) -> torch.optim.Optimizer:
    settings = config.optimizer
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [{"params": trainable, "weight_decay": 0.0}]
    if settings.weight_decay > 0:
        groups = [
            {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": settings.weight_decay},
            {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
        ]
    # A client optimizer, because the one DeepSpeed makes from its configuration compiles an extension.
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.lr,
        betas=settings.betas,
        fused=device.type == "cuda",
    )


def _deepspeed_config(config: StageConfig, world: int) -> dict[str, Any]:
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": config.data.packs_per_step // world,
        # step() is the boundary of accumulation, as in plain PyTorch.
        "managed_gradient_accumulation": False,
        "gradient_clipping": config.optimizer.max_grad_norm,
        "bf16": {"enabled": config.engine.dtype == "bfloat16"},
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "zero_optimization": {
            "stage": config.engine.zero_stage,
            "overlap_comm": False,
            "contiguous_gradients": True,
            "reduce_bucket_size": REDUCE_BUCKET_ELEMENTS,
        },
        "steps_per_print": None,
        "wall_clock_breakdown": False,
    }
