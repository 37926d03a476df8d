"""Thirty kills at random instants of training runs, each of which must equal the uninterrupted one: `make soak`."""

import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from octupus.train.config import (
    CheckpointConfig,
    DataConfig,
    EngineConfig,
    LoraConfig,
    OptimizerConfig,
    RunConfig,
    ScalingConfig,
    StageConfig,
)
from tests.integration.training_runs import Kill, numbers, same_weights, train_with_kills
from tests.integration.worker_processes import Trained, train_in_processes
from tests.train.tiny_model import write_workspace

pytestmark = pytest.mark.timeout(7200)

KILLS = int(os.environ.get("OCTUPUS_SOAK_KILLS", "30"))
"""Kills over all variants."""
SEED = int(os.environ.get("OCTUPUS_SOAK_SEED", "0"))
CHECKPOINT_EVERY = 10
STEPS_A_KILL = 5 * CHECKPOINT_EVERY
"""More than a run does between two kills."""

VARIANTS: dict[str, dict[str, Any]] = {
    "zero2_float32": {"engine": EngineConfig(zero_stage=2, dtype="float32")},
    "zero3_bfloat16": {"engine": EngineConfig(zero_stage=3, dtype="bfloat16")},
    "zero2_lora_dropout": {
        "engine": EngineConfig(zero_stage=2, dtype="float32"),
        "lora": LoraConfig(rank=4, alpha=8, dropout=0.1),
    },
}
KINDS = ["driver", "writing", "worker", "starting", "worker", "writing", "worker", "worker", "worker", "worker"]
"""What is killed in ten kills of a run, in an order of its own for each."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, packs, and the uninterrupted run of every variant."""
    directory = tmp_path_factory.mktemp("kills")
    write_workspace(directory, packs=50)
    train_in_processes([Trained(stage(directory, name, "whole")) for name in VARIANTS], 2, directory, timeout_s=3000)
    return directory


def stage(directory: Path, variant: str, suffix: str) -> StageConfig:
    name = f"{variant}_{suffix}"
    steps = (kills_of(variant) + 1) * STEPS_A_KILL
    config = StageConfig(
        run=RunConfig(name=name, storage=str(directory / "runs")),
        model=directory / "model",
        data=DataConfig(directory=directory / "data", packs_per_step=4, steps=steps, seed=3),
        optimizer=OptimizerConfig(lr=1e-3, min_lr=1e-4, warmup_steps=10, weight_decay=0.01),
        scaling=ScalingConfig(workers=2, max_failures=-1),
        checkpoint=CheckpointConfig(every_steps=CHECKPOINT_EVERY),
        export=directory / "exports" / name,
    )
    return config.model_copy(update=VARIANTS[variant])


def kills_of(variant: str) -> int:
    place = list(VARIANTS).index(variant)
    return KILLS // len(VARIANTS) + (place < KILLS % len(VARIANTS))


def kinds_of(variant: str) -> list[str]:
    count = kills_of(variant)
    kinds = (KINDS * (count // len(KINDS) + 1))[:count]
    random.Random(f"{SEED} {variant}").shuffle(kinds)
    return kinds


def test_killed_runs_equal_uninterrupted_ones(workspace: Path, tmp_path: Path) -> None:
    kills: dict[str, list[Kill]] = {}
    for variant in VARIANTS:
        killed, whole = stage(workspace, variant, "killed"), stage(workspace, variant, "whole")
        kills[variant] = train_with_kills(killed, kinds_of(variant), tmp_path, SEED)
        assert numbers(killed) == numbers(whole)
        assert same_weights(killed, whole)
    print(table(kills))
    assert all(
        kill.resumed_at < kill.half_written for done in kills.values() for kill in done if kill.half_written is not None
    )
    assert sum(map(len, kills.values())) == KILLS


def table(kills: dict[str, list[Kill]]) -> str:
    """Kills by variant and kind, the steps that were done again, and the seconds until a run trained again."""
    lines = [f"{'run':20} {'kills':>5}  {'half-written':>12}  {'steps again':>11}  {'mean s':>6}  kinds"]
    for variant, done in kills.items():
        halves = sum(kill.half_written is not None for kill in done)
        again = sum(kill.at_step - kill.resumed_at for kill in done)
        seconds = sum(kill.seconds for kill in done) / max(len(done), 1)
        kinds = ", ".join(f"{kind} {count}" for kind, count in Counter(kill.kind for kill in done).items())
        lines.append(f"{variant:20} {len(done):5}  {halves:12}  {again:11}  {seconds:6.1f}  {kinds}")
    return "\n".join(lines)
