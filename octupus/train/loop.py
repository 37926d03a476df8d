"""The training loop that every worker runs.

It needs a joined torch.distributed group, or none for a single process; Ray stands outside, in worker.py.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from octupus.chat.registry import ModelChat, model_chat
from octupus.errors import ManifestError, OctupusError, OutputError, TrainingError
from octupus.telemetry import event
from octupus.train.checkpoint import store
from octupus.train.checkpoint.storage import Storage
from octupus.train.checkpoint.store import RunIdentity
from octupus.train.checkpoint.writer import CheckpointWriter, find_checkpoint, restore
from octupus.train.config import StageConfig
from octupus.train.engine.interface import Engine, start_engine
from octupus.train.evaluation import HeldOut
from octupus.train.forward.loss import LossSettings, cross_entropy_sum
from octupus.train.forward.selftest import check_packing, sample_documents
from octupus.train.group import WorkerGroup
from octupus.train.model.export import export_stage
from octupus.train.model.load import load_model
from octupus.train.packs.feed import Pack, PackFeed, empty_pack
from octupus.train.packs.prefetch import Prefetcher
from octupus.train.packs.prepared import PreparedData, read_prepared
from octupus.train.schedule import cosine_with_min_lr
from octupus.train.stage import lineage_entry, pack_plan, total_steps
from octupus.train.watch.clock import PhaseClock, peak_memory_bytes
from octupus.train.watch.failure_record import write_failure_record
from octupus.train.watch.metrics import StepMetrics
from octupus.train.watch.recorder import Recorder
from octupus.train.watch.utilization import Utilization

PREEMPTION_INTERVAL_S = 5.0
"""How often Ray is asked whether a node is about to be taken away; asking waits for all workers."""

logger = logging.getLogger(__name__)


def train_stage(config: StageConfig, preempted: Callable[[], bool] = lambda: False) -> None:
    """Train a stage as one worker. `config` has no `auto` left; `preempted` is collective.

    Raises TrainingError, the same on every worker, when the self-test fails, the checkpoint belongs to another run,
    data or storage fail, or loss or gradient stop being finite. Raises OutputError on a worker whose own disk is full.
    """
    device = torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
    torch.set_num_threads(config.scaling.cpus_per_worker)
    group = WorkerGroup(device)
    _seed(config.data.seed)  # alike on all workers, since adapters begin as random numbers
    prepared = read_prepared(config.data.directory)
    chat = model_chat(config.model)
    with _engine_environment(config, group):
        model = load_model(config, chat, device)
        engine = start_engine(model, config, group.world, device)
        _seed(config.data.seed + 1 + group.rank)  # each with a dropout of its own
        settings = LossSettings.of(model, config.engine)
        feed = PackFeed(prepared.shards)
        # The model itself: an engine takes every backward pass for one that it must share with the other workers.
        check_packing(model, model, sample_documents(feed), device, settings)
        run = _Run(config, prepared, chat, group, engine, settings, feed, preempted)
        try:
            run.train()
        finally:
            run.close()
        run.export()


def _engine_environment(config: StageConfig, group: WorkerGroup) -> Any:
    if config.engine.kind == "plain":
        return nullcontext()
    from octupus.train.engine.deepspeed_engine import sharded_loading

    return sharded_loading(config, group.world, group.device)


@dataclass(frozen=True)
class _Agreed:
    """What the workers told each other at the beginning of a step."""

    trained: float
    tokens: int
    save: bool
    ask_preemption: bool


class _Run:
    """The state of a run in one worker."""

    def __init__(
        self,
        config: StageConfig,
        prepared: PreparedData,
        chat: ModelChat,
        group: WorkerGroup,
        engine: Engine,
        settings: LossSettings,
        feed: PackFeed,
        preempted: Callable[[], bool],
    ) -> None:
        self._config, self._prepared, self._chat = config, prepared, chat
        self._group, self._engine, self._settings = group, engine, settings
        self._preempted = preempted
        self._storage = Storage(config.run.location)
        self._plan = pack_plan(config, prepared)
        self._steps = total_steps(config, prepared)
        identity = RunIdentity.of(config, prepared)
        self._step, self._tokens = self._restore(identity)
        self._writer = CheckpointWriter(self._storage, config, identity, group)
        self._feed = Prefetcher(
            feed,
            lambda step: self._plan.pack_ids_of(step, group.rank, group.world),
            first=self._step,
            steps=self._steps,
            pad_to=prepared.token_budget if group.device.type == "cuda" else None,
            device=group.device,
        )
        self._packs_a_worker = math.ceil(config.data.packs_per_step / group.world)
        self._held_out = None if config.evaluation is None else HeldOut(config.evaluation, group)
        self._utilization = Utilization.of(config, group)
        self._clock = PhaseClock(group.device)
        self._problem: str | None = None
        """What went wrong on this worker alone since the workers last told each other."""
        self._recorder: Recorder | None = None
        self._on_first(self._open_recorder)
        self._saved_at = self._asked_at = time.monotonic()
        self._saved_for_preemption = False
        self._complete = False

    def _restore(self, identity: RunIdentity) -> tuple[int, int]:
        """Steps and tokens done, after loading the newest checkpoint if there is one."""
        checkpoint = find_checkpoint(self._storage, self._group)
        if checkpoint is None:
            return 0, 0
        checkpoint.require(identity)
        if checkpoint.step > self._steps:
            raise TrainingError(
                f"the newest checkpoint has {checkpoint.step} steps, but this run ends at {self._steps}; restore "
                "data.steps or data.epochs, or start anew under another run.name"
            )
        restore(self._storage, checkpoint, self._engine, self._group)
        event(
            logger,
            "train.resumed",
            run=self._config.run.name,
            step=checkpoint.step,
            workers=self._group.world,
            workers_before=checkpoint.workers,
        )
        return checkpoint.step, checkpoint.tokens

    def _open_recorder(self) -> None:
        self._recorder = Recorder(self._config, self._storage, self._step)

    def train(self) -> None:
        """Train the steps that are left; the last one's checkpoint counts when this returns."""
        while self._step < self._steps:
            self._train_step()
        self._writer.finish()
        self._group.agree(self._problem)
        self._complete = True

    def export(self) -> None:
        """Write the trained model, if an export is wanted. Collective."""
        if self._config.export is None:
            return
        state = self._engine.state_dict()
        self._on_first(lambda: self._export(state))

    def _export(self, state: Mapping[str, torch.Tensor]) -> None:
        entry = lineage_entry(self._config, self._prepared)
        try:
            export_stage(self._engine.module, state, self._config, self._chat, entry)
        except OSError as error:
            raise OutputError(f"{self._config.export} cannot be written: {error}") from error

    def _on_first(self, work: Callable[[], None]) -> None:
        """Do something on rank 0 that everybody waits for; its failure is everybody's."""
        problem = None
        if self._group.rank == 0:
            try:
                work()
            except OctupusError as error:
                problem = str(error)
        self._group.agree(problem)

    def close(self) -> None:
        """End threads and write what is not yet written."""
        self._feed.close()
        self._writer.close()
        if self._recorder is not None:
            self._recorder.close(failed=not self._complete)

    def _train_step(self) -> None:
        step, clock = self._step, self._clock
        with clock.phase("data"):
            packs = self._packs(step)
        agreed = self._exchange(packs)
        local = [self._accumulate(pack, agreed.trained) for pack in packs]
        loss = self._group.sum([sum(local)])[0] / max(agreed.trained, 1.0)
        lr = self._learning_rate(step)
        self._require_finite(step, {"loss": loss, "lr": lr}, packs, local)
        with clock.phase("optimizer"):
            grad_norm = self._engine.step(lr)
        self._require_finite(step, {"loss": loss, "gradient norm": grad_norm, "lr": lr}, packs, local)
        self._step, self._tokens = step + 1, self._tokens + agreed.tokens
        with clock.phase("save"):
            leaving = agreed.ask_preemption and self._leaving()
            if agreed.save or leaving or self._due():
                self._writer.save(self._engine, self._step, self._tokens)
                self._saved_at = time.monotonic()
        self._record(loss, lr, grad_norm, agreed, packs)
        if leaving:
            self._writer.finish()
            event(logger, "train.saved_for_preemption", run=self._config.run.name, step=self._step)

    def _packs(self, step: int) -> list[Pack]:
        """This worker's packs, as many as everybody's: ZeRO counts backward passes."""
        try:
            packs = self._feed.packs(step)
        except (ManifestError, OSError) as error:
            self._problem = f"packs of step {step + 1} cannot be read: {error}"
            packs = []
        return packs + [empty_pack().to(self._group.device)] * (self._packs_a_worker - len(packs))

    def _exchange(self, packs: Sequence[Pack]) -> _Agreed:
        """Add up what the step needs to know of all workers. Raises TrainingError when one of them has a problem."""
        now = time.monotonic()
        minutes = self._config.checkpoint.every_minutes
        first = self._group.rank == 0
        problem = self._problem or self._writer.problem
        trained, tokens, problems, stored, save, ask = self._group.sum(
            [
                sum(pack.trained_tokens for pack in packs),
                sum(pack.tokens for pack in packs),
                problem is not None,
                self._writer.stored,
                first and minutes is not None and now - self._saved_at > 60 * minutes,
                first and not self._saved_for_preemption and now - self._asked_at > PREEMPTION_INTERVAL_S,
            ]
        )
        if problems:
            self._group.agree(problem)
        if stored == self._group.world:
            try:
                self._writer.commit()
            except OutputError as error:
                self._problem = str(error)
        if ask:
            self._asked_at = now
        return _Agreed(trained, int(tokens), bool(save), bool(ask))

    def _accumulate(self, pack: Pack, trained: float) -> float:
        """Forward and backward of one pack; returns the sum of its cross-entropies."""
        with self._clock.phase("forward"):
            loss_sum = cross_entropy_sum(self._engine.forward, pack, self._settings)
        with self._clock.phase("backward"):
            # The engine takes the mean over workers; this makes it the mean over the step's trained tokens.
            self._engine.backward(loss_sum * (self._group.world / max(trained, 1.0)))
        return float(loss_sum.detach())

    def _due(self) -> bool:
        return self._step % self._config.checkpoint.every_steps == 0 or self._step == self._steps

    def _leaving(self) -> bool:
        """Whether Ray says that a worker's node is about to be taken away. Collective."""
        self._saved_for_preemption = self._preempted()
        return self._saved_for_preemption

    def _evaluated(self) -> float | None:
        evaluation = self._config.evaluation
        if self._held_out is None or evaluation is None:
            return None
        if self._step % evaluation.every_steps != 0 and self._step != self._steps:
            return None
        return self._held_out.loss(self._engine, self._settings)

    def _record(self, loss: float, lr: float, grad_norm: float, agreed: _Agreed, packs: Sequence[Pack]) -> None:
        seconds = self._clock.take()
        evaluation_loss = self._evaluated()
        self._clock.take()  # looking at held-out packs belongs to no step
        (memory,) = self._group.max([peak_memory_bytes(self._group.device)])
        metrics = StepMetrics(
            step=self._step,
            epoch=self._step * self._config.data.packs_per_step / self._prepared.packs,
            loss=loss,
            lr=lr,
            grad_norm=grad_norm,
            tokens=agreed.tokens,
            slots=self._config.data.packs_per_step * self._prepared.token_budget,
            trained_tokens=int(agreed.trained),
            packs=self._plan.pack_ids(self._step - 1),
            step_s=seconds["step"],
            data_s=seconds["data"],
            forward_s=seconds["forward"],
            backward_s=seconds["backward"],
            optimizer_s=seconds["optimizer"],
            save_s=seconds["save"],
            peak_memory_bytes=int(memory),
            mfu=None if self._utilization is None else self._utilization.mfu(packs, seconds["step"]),
            evaluation_loss=evaluation_loss,
            workers=self._group.world,
        )
        if self._recorder is None:
            return
        try:
            self._recorder.record(metrics)
        except (OSError, OutputError) as error:
            self._problem = f"metrics cannot be written to {self._storage.location}: {error}"

    def _learning_rate(self, step: int) -> float:
        settings = self._config.optimizer
        return cosine_with_min_lr(step, self._steps, settings.lr, settings.min_lr, settings.warmup_steps)

    def _require_finite(
        self, step: int, values: dict[str, float], packs: Sequence[Pack], local: Sequence[float]
    ) -> None:
        """Stop on every worker alike, leaving a record, when a value is infinite or not a number."""
        wrong = next((name for name, value in values.items() if not math.isfinite(value)), None)
        if wrong is None:
            return
        group = self._group
        mine = [
            {"pack": pack_id, "loss": loss, "trained_tokens": pack.trained_tokens}
            for pack_id, pack, loss in zip(
                self._plan.pack_ids_of(step, group.rank, group.world), packs, local, strict=False
            )
        ]
        everybodys = [record for records in group.gather(mine) for record in records]
        self._writer.finish()
        message = ""
        if group.rank == 0:
            name = write_failure_record(self._storage, self._config, step + 1, values, everybodys)
            kept = store.kept(self._storage)
            message = (
                f"the {wrong} is {values[wrong]} in step {step + 1}, packs {self._plan.pack_ids(step)}; "
                f"{self._storage.place(name)} has each pack's loss. Look at these packs, or lower optimizer.lr. "
                + (f"Checkpoints before it: {', '.join(kept)}" if kept else "No checkpoint had been written yet")
            )
        raise TrainingError(group.from_first(message))


def _seed(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
