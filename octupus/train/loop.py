"""The training loop that every worker runs."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from octupus.chat.registry import model_chat
from octupus.errors import TrainingError
from octupus.train.checkpoint import RunIdentity, RunState, report_checkpoint, restore
from octupus.train.config import StageConfig
from octupus.train.engine import DeepSpeedEngine, Engine
from octupus.train.export import export_model
from octupus.train.feed import PackFeed
from octupus.train.loss import cross_entropy_sum, keeps_logits
from octupus.train.metrics import MetricsLog, StepMetrics
from octupus.train.plan import PackPlan
from octupus.train.prepared import read_prepared
from octupus.train.schedule import cosine_with_min_lr
from octupus.train.selftest import check_packing, sample_documents
from octupus.train.stage import lineage_entry, pack_plan, total_steps, training_sha256


def train_stage(config: StageConfig) -> None:
    """Train a stage as one worker of a Ray Train group whose torch.distributed group is joined.

    Raises TrainingError, on every worker alike, when the self-test fails, the checkpoint belongs to another run, or
    loss or gradient stop being finite.
    """
    import ray.train

    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    device = torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
    torch.set_num_threads(config.scaling.cpus_per_worker)
    _seed(config.data.seed + rank)
    prepared = read_prepared(config.data.directory)
    feed = PackFeed(prepared.shards)
    model = _load_model(config, device)
    check_packing(model, sample_documents(feed), device)
    keep_logits = keeps_logits(model)
    engine: Engine = DeepSpeedEngine(model, config, world, device)

    identity = RunIdentity(config.data.seed, world, config.data.packs_per_step, prepared.sha256)
    config_sha256 = training_sha256(config, prepared)
    state = RunState(step=0, tokens=0)
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as directory:
            state = restore(Path(directory), engine, identity, rank)

    plan = pack_plan(config, prepared)
    steps = total_steps(config, prepared)
    pad_to = prepared.token_budget if device.type == "cuda" else None
    metrics = MetricsLog(config.run.directory, state.step) if rank == 0 else None
    for step in range(state.step, steps):
        began = time.perf_counter()
        packs = [feed.read(pack_id, pad_to).to(device) for pack_id in plan.pack_ids_of(step, rank, world)]
        trained, tokens = _sum_over_workers(
            [sum(pack.trained_tokens for pack in packs), sum(pack.input_ids.numel() for pack in packs)], device
        )
        local = torch.zeros((), device=device)
        for pack in packs:
            loss_sum = cross_entropy_sum(engine.forward, pack, keep_logits)
            # The engine takes the mean over workers; this makes it the mean over the step's trained tokens.
            engine.backward(loss_sum * (world / max(trained, 1.0)))
            local += loss_sum.detach()
        loss = _sum_over_workers([float(local)], device)[0] / max(trained, 1.0)
        _require_finite("loss", loss, step, plan)
        lr = _learning_rate(config, step, steps)
        grad_norm = engine.step(lr)
        _require_finite("gradient norm", grad_norm, step, plan)
        state = RunState(step=step + 1, tokens=state.tokens + int(tokens))
        if metrics is not None:
            metrics.append(
                StepMetrics(
                    step=state.step,
                    loss=loss,
                    lr=lr,
                    grad_norm=grad_norm,
                    tokens=int(tokens),
                    trained_tokens=int(trained),
                    packs=plan.pack_ids(step),
                    step_s=time.perf_counter() - began,
                )
            )
        last_without_export = state.step == steps and config.export is None
        if state.step % config.checkpoint.every_steps == 0 or last_without_export:
            report_checkpoint(engine, identity, state, config_sha256, rank, loss)
    if config.export is not None:
        weights = engine.state_dict()
        if rank == 0:
            export_model(
                model, weights, config.model, config.export, model_chat(config.model), lineage_entry(config, prepared)
            )


def _load_model(config: StageConfig, device: torch.device) -> Any:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        config.model,
        dtype=getattr(torch, config.engine.dtype),
        attn_implementation=config.engine.attn_implementation,
    )
    if config.engine.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model.to(device).train()


def _learning_rate(config: StageConfig, step: int, steps: int) -> float:
    settings = config.optimizer
    return cosine_with_min_lr(step, steps, settings.lr, settings.min_lr, settings.warmup_steps)


def _seed(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def _sum_over_workers(values: list[float], device: torch.device) -> list[float]:
    total = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(total)
    summed: list[float] = total.tolist()
    return summed


def _require_finite(name: str, value: float, step: int, plan: PackPlan) -> None:
    if not math.isfinite(value):
        raise TrainingError(
            f"the {name} is {value} in step {step + 1}, packs {plan.pack_ids(step)}; look at these packs, or lower "
            "optimizer.lr"
        )
