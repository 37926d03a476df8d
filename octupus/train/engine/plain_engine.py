"""PyTorch without DeepSpeed, for one worker: what the tests hold the sharded engine against."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from octupus.train.config import StageConfig
from octupus.train.engine.optimizer import adamw

STATE_FILE = "engine.pt"


class PlainEngine:
    """One process, gradients accumulated by autograd, float32 master weights kept when training in bfloat16.

    See octupus.train.engine.interface.Engine for the methods.
    """

    def __init__(self, model: torch.nn.Module, config: StageConfig) -> None:
        self._model = model
        self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._masters = self._trained
        self._optimizer = adamw(model, config.optimizer)
        if any(parameter.dtype != torch.float32 for parameter in self._trained):
            masters = {id(p): torch.nn.Parameter(p.detach().float()) for p in self._trained}
            for group in self._optimizer.param_groups:
                group["params"] = [masters[id(parameter)] for parameter in group["params"]]
            self._masters = [masters[id(parameter)] for parameter in self._trained]
        self._max_grad_norm = config.optimizer.max_grad_norm

    @property
    def module(self) -> torch.nn.Module:
        """See Engine.module."""
        return self._model

    def forward(self, **inputs: Any) -> Any:
        """See Engine.forward."""
        return self._model(**inputs)

    def backward(self, loss: torch.Tensor) -> None:
        """See Engine.backward."""
        loss.backward()
        if self._masters is self._trained:
            return
        for master, parameter in zip(self._masters, self._trained, strict=True):
            if parameter.grad is not None:  # summed in float32: bfloat16 would round away small packs
                gradient = parameter.grad.float()
                master.grad = gradient if master.grad is None else master.grad + gradient
                parameter.grad = None

    def step(self, lr: float) -> float:
        """See Engine.step."""
        norm = torch.nn.utils.clip_grad_norm_(self._masters, self._max_grad_norm)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self._optimizer.step()
        self._optimizer.zero_grad()
        if self._masters is not self._trained:
            with torch.no_grad():
                for master, parameter in zip(self._masters, self._trained, strict=True):
                    parameter.copy_(master)
        return float(norm)

    def save(self, directory: Path) -> None:
        """See Engine.save."""
        directory.mkdir(parents=True, exist_ok=True)
        state = {"masters": [m.detach() for m in self._masters], "optimizer": self._optimizer.state_dict()}
        torch.save(state, directory / STATE_FILE)

    def load(self, directory: Path, world: int) -> None:
        """See Engine.load."""
        state = torch.load(directory / STATE_FILE, weights_only=True)
        self._optimizer.load_state_dict(state["optimizer"])
        with torch.no_grad():
            for master, parameter, saved in zip(self._masters, self._trained, state["masters"], strict=True):
                master.copy_(saved)
                parameter.copy_(saved)

    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """See Engine.state_dict."""
        named = self._model.named_parameters(remove_duplicate=False)
        frozen = {name for name, parameter in named if not parameter.requires_grad}
        return {name: tensor for name, tensor in self._model.state_dict().items() if name not in frozen}
