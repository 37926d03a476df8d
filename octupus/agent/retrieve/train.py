"""The training loop of a retriever, which every worker runs.

It needs a joined torch.distributed group, or none for a single process; Ray stands outside, in ray_trainer.py. Whatever
is drawn at a step follows from the seed, the step and the rank, so that a run that continues from a checkpoint goes on
exactly as it would have.
"""

from __future__ import annotations

import json
import logging
import math
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from octupus.agent.retrieve.batches import Batch, epoch_batches, training_pairs
from octupus.agent.retrieve.checkpoints import Checkpoints
from octupus.agent.retrieve.config import ContrastiveConfig, RetrieverConfig
from octupus.agent.retrieve.contrastive import Pair, excluded, ranking_loss
from octupus.agent.retrieve.corpus import RetrievalCorpus
from octupus.agent.retrieve.encoder import Encoder, embed_batch
from octupus.agent.retrieve.export import export_encoder, identity_of
from octupus.agent.retrieve.measure import measure_encoder
from octupus.agent.retrieve.step_metrics import MetricsLog, StepMetrics
from octupus.config import changed_settings
from octupus.errors import TrainingError
from octupus.telemetry import event

STATE_FILE = "state.json"
_WEIGHTS_FILE = "weights.pt"
_REPORT_EVERY_S = 30.0

logger = logging.getLogger(__name__)


def train(
    config: RetrieverConfig, corpus: RetrievalCorpus, start: Path, device: torch.device, checkpoints: Checkpoints
) -> None:
    """Train the encoder in `start` to `config.export`, as one worker.

    Raises TrainingError, alike on every worker, when a checkpoint belongs to another run or the loss stops being
    finite, and on rank 0 when the export is not what was trained. Raises ConfigError when `start` holds no encoder.
    """
    run = _Run(config, corpus, Encoder.open(start, config.training.max_tokens, device))
    with checkpoints.newest() as directory:
        done = run.restore(directory)
    run.train(done, checkpoints)


class _Run:
    def __init__(self, config: RetrieverConfig, corpus: RetrievalCorpus, encoder: Encoder) -> None:
        joined = dist.is_initialized()
        self._rank: int = dist.get_rank() if joined else 0
        self._workers: int = dist.get_world_size() if joined else 1
        self._config, self._corpus, self._encoder = config, corpus, encoder
        self._settings = config.training
        self._identity = identity_of(config, corpus)
        self._pairs = training_pairs(corpus)
        self._epoch: tuple[int, list[Batch]] = (-1, [])
        self._steps_of_epochs = [len(self._batches(epoch)) // self._workers for epoch in range(self._settings.epochs)]
        self.steps = sum(self._steps_of_epochs)
        self._optimizer = _optimizer(encoder.model, self._settings)
        towers: nn.Module = _Towers(encoder.model)
        if self._workers > 1:
            # Many encoders have a pooling layer that mean pooling does not use.
            towers = nn.parallel.DistributedDataParallel(towers, find_unused_parameters=True, broadcast_buffers=False)
        self._towers = towers

    def restore(self, directory: Path | None) -> int:
        """Take up a checkpoint: the steps that are done."""
        if directory is None:
            return 0
        state = json.loads((directory / STATE_FILE).read_text(encoding="utf-8"))
        changed = changed_settings(state["identity"], self._identity)
        if changed:
            raise TrainingError(
                f"the checkpoint of step {state['step']} in {self._config.run} belongs to another run: "
                f"{'; '.join(changed)}; restore the old values, or choose another run directory"
            )
        weights = torch.load(directory / _WEIGHTS_FILE, map_location=self._encoder.device, weights_only=True)
        self._encoder.model.load_state_dict(weights["model"])
        self._optimizer.load_state_dict(weights["optimizer"])
        return int(state["step"])

    def train(self, done: int, checkpoints: Checkpoints) -> None:
        log = MetricsLog(self._config.run, done) if self._rank == 0 else None
        if log is not None and 0 not in log.steps:
            log.append(StepMetrics(0, 0, None, 0.0, 0.0, self._measured()))
        step, told = 0, time.monotonic()
        measured: dict[str, float] | None = None
        for epoch, steps in enumerate(self._steps_of_epochs):
            for place in range(steps):
                step += 1
                if step <= done:
                    continue
                started = time.monotonic()
                batch = self._batches(epoch)[place * self._workers + self._rank]
                loss, lr = self._step(step, [self._pairs[position] for position in batch])
                seconds = time.monotonic() - started
                ended = place == steps - 1
                if log is not None:
                    test = measured = self._measured() if ended else None
                    log.append(StepMetrics(step, epoch + ended, loss, lr, seconds, test))
                    if ended or time.monotonic() - told > _REPORT_EVERY_S:
                        told = time.monotonic()
                        event(logger, "retriever.step", step=step, steps=self.steps, loss=loss, **(test or {}))
                if step % self._config.checkpoint.every_steps == 0 or step == self.steps:
                    checkpoints.save(step, lambda directory, step=step: self._write(directory, step))  # type: ignore[misc]
        if self._rank == 0:
            test = measured or self._measured()
            export_encoder(self._encoder, self._config, self._corpus, self._identity, test)

    def _step(self, step: int, pairs: Sequence[Pair]) -> tuple[float, float]:
        """One update: the loss before it, over all workers, and the learning rate."""
        torch.manual_seed(random.Random(f"{self._settings.seed}:{step}:{self._rank}").getrandbits(63))
        lr = learning_rate(step, self.steps, self._settings)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self._encoder.model.train()
        queries, documents = self._towers(
            self._encoder.tokenise([pair.query for pair in pairs]),
            self._encoder.tokenise([pair.document for pair in pairs]),
        )
        left_out = excluded(pairs).to(self._encoder.device)
        loss = ranking_loss(queries, documents, self._settings.scale, left_out)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._encoder.model.parameters(), self._settings.max_grad_norm)
        self._optimizer.step()
        shown = loss.detach()
        if self._workers > 1:
            dist.all_reduce(shown)
        mean = shown.item() / self._workers
        if not math.isfinite(mean):
            raise TrainingError(f"the loss at step {step} is {mean}; lower training.lr")
        return mean, lr

    def _batches(self, epoch: int) -> list[Batch]:
        if self._epoch[0] != epoch:
            settings = self._settings
            apart = settings.relevant_in_batch == "apart"
            batches = epoch_batches(self._pairs, settings.batch_size, apart, self._workers, settings.seed, epoch)
            self._epoch = (epoch, batches)
        return self._epoch[1]

    def _measured(self) -> dict[str, float]:
        return measure_encoder(self._encoder, self._corpus)

    def _write(self, directory: Path, step: int) -> None:
        weights = {"model": self._encoder.model.state_dict(), "optimizer": self._optimizer.state_dict()}
        torch.save(weights, directory / _WEIGHTS_FILE)
        state = {"step": step, "identity": self._identity}
        (directory / STATE_FILE).write_text(json.dumps(state, indent=2), encoding="utf-8")


class _Towers(nn.Module):  # type: ignore[misc]  # PyTorch is untyped here
    """Queries and documents through one encoder, in one call as DistributedDataParallel needs it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, queries: Mapping[str, torch.Tensor], documents: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return embed_batch(self.model, queries), embed_batch(self.model, documents)


def learning_rate(step: int, steps: int, settings: ContrastiveConfig) -> float:
    """The rate of a step, counted from 1: up linearly over the warm-up, then down linearly to 0 after the last step."""
    warmup = min(settings.warmup_steps, steps // 10)
    if step <= warmup:
        return settings.lr * step / warmup
    return settings.lr * (steps - step + 1) / (steps - warmup)


def _optimizer(model: nn.Module, settings: ContrastiveConfig) -> torch.optim.Optimizer:
    matrices: list[Any] = [each for each in model.parameters() if each.ndim >= 2]
    others: list[Any] = [each for each in model.parameters() if each.ndim < 2]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.lr)
