"""DeepSpeed's ZeRO behind the Engine interface. With universal.py the only module that imports DeepSpeed."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from octupus.errors import TrainingError
from octupus.train.config import StageConfig
from octupus.train.engine.deepspeed_config import deepspeed_config
from octupus.train.engine.optimizer import adamw, parameter_groups
from octupus.train.engine.universal import TAG, convert
from octupus.train.node import first_of_node, node_directory


@contextmanager
def sharded_loading(config: StageConfig, world: int, device: torch.device) -> Iterator[None]:
    """Set DeepSpeed up for `device`; with ZeRO-3, models that transformers loads in the block are sharded as they load.

    The block must last as long as the model: transformers and PEFT ask in it whether weights are sharded.
    """
    if device.type == "cpu":
        os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed

    if device.type == "cpu":
        # The answer to "which extensions may be compiled?". DeepSpeed's shared-memory one takes most of a minute
        # with g++ and serves inference alone: training never calls it.
        deepspeed.ops.__compatible_ops__ = {}
    if config.engine.zero_stage < 3:
        yield
        return
    from transformers.integrations import HfDeepSpeedConfig

    settings = HfDeepSpeedConfig(deepspeed_config(config, world, parameters=1))  # only the stage and offloading count
    yield
    del settings  # transformers keeps a weak reference only


class DeepSpeedEngine:
    """ZeRO 1, 2 or 3; see octupus.train.engine.interface.Engine for the methods."""

    def __init__(self, model: torch.nn.Module, config: StageConfig, world: int, device: torch.device) -> None:
        import deepspeed

        trained = sum(getattr(p, "ds_numel", p.numel()) for p in model.parameters() if p.requires_grad)
        self._world = world
        self._adapters = config.lora is not None
        self._engine, *_ = deepspeed.initialize(
            model=model,
            optimizer=_optimizer(model, config, device),
            config=deepspeed_config(config, world, trained, model.config.hidden_size),
            dist_init_required=False,
        )

    @property
    def module(self) -> torch.nn.Module:
        """See Engine.module."""
        module: torch.nn.Module = self._engine.module
        return module

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
        if getattr(self._engine.optimizer, "overflow", False):
            return math.inf  # ZeRO-3 skips the update and keeps the norm of the step before
        return float(self._engine.get_global_grad_norm())

    def save(self, directory: Path) -> None:
        """See Engine.save."""
        # Frozen weights are those of the start model: a checkpoint of adapters needs no copy of them.
        self._engine.save_checkpoint(str(directory), tag=TAG, exclude_frozen_parameters=self._adapters)

    def load(self, directory: Path, world: int) -> None:
        """See Engine.load. A state of another number of workers is first made a universal checkpoint, once a node."""
        if world == self._world:
            self._load(directory)
            return
        scratch = node_directory("universal")
        if first_of_node():
            shutil.rmtree(scratch, ignore_errors=True)
            convert(directory, scratch)
        dist.barrier()
        self._load_universal(scratch)
        dist.barrier()
        if first_of_node():
            shutil.rmtree(scratch)

    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """See Engine.state_dict."""
        if self._engine.zero_optimization_partition_weights():
            gathered: Mapping[str, torch.Tensor] | None = self._engine._zero3_consolidated_16bit_state_dict(
                exclude_frozen_parameters=self._adapters
            )
            return gathered or {}
        state: Mapping[str, torch.Tensor] = self._engine.module_state_dict(exclude_frozen_parameters=self._adapters)
        return state

    def _load_universal(self, directory: Path) -> None:
        optimizer = self._engine.optimizer.optimizer
        decays = [group["weight_decay"] for group in optimizer.param_groups]
        self._engine._config.load_universal_checkpoint = True
        self._load(directory)
        self._engine._config.load_universal_checkpoint = False
        # ZeRO-3 (DeepSpeed 0.19.8) gives every group the settings of the first, and all of them one step counter,
        # which then counts each step once a group.
        for group, decay in zip(optimizer.param_groups, decays, strict=True):
            group["weight_decay"] = decay
        for state in optimizer.state.values():
            if torch.is_tensor(state.get("step")):
                state["step"] = state["step"].clone()

    def _load(self, directory: Path) -> None:
        loaded, _ = self._engine.load_checkpoint(str(directory), tag=TAG, load_module_strict=not self._adapters)
        if loaded is None:
            raise TrainingError(f"{directory} holds no DeepSpeed state; remove this checkpoint and run again")


def _optimizer(model: torch.nn.Module, config: StageConfig, device: torch.device) -> torch.optim.Optimizer:
    # A client optimizer, because the one DeepSpeed makes from its configuration compiles an extension.
    if device.type == "cpu" or config.engine.offload_optimizer == "none":
        return adamw(model, config.optimizer)
    from deepspeed.ops.adam import DeepSpeedCPUAdam

    # Offloaded state is updated on the host, where DeepSpeed's own extension is several times faster.
    settings = config.optimizer
    optimizer: torch.optim.Optimizer = DeepSpeedCPUAdam(
        parameter_groups(model, settings), lr=settings.lr, betas=settings.betas, adamw_mode=True
    )
    return optimizer
