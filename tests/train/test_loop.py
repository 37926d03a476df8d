"""The whole loop in this process: one worker, PyTorch alone. Many workers, ZeRO and Ray are in tests/integration."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from octupus.errors import TrainingError
from octupus.train.checkpoint.storage import Storage
from octupus.train.config import (
    CheckpointConfig,
    DataConfig,
    EngineConfig,
    EvaluationConfig,
    LoraConfig,
    OptimizerConfig,
    RunConfig,
    ScalingConfig,
    StageConfig,
)
from octupus.train.forward.loss import LossSettings, cross_entropy_sum
from octupus.train.loop import train_stage
from octupus.train.packs.feed import PackFeed
from octupus.train.packs.prepared import read_prepared
from octupus.train.watch.metrics import StepMetrics, read_metrics

STEPS = 8


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def stage(tmp_path: Path, model_directory: Path, prepared_directory: Path) -> StageConfig:
    return StageConfig(
        run=RunConfig(name="run", storage=str(tmp_path / "runs")),
        model=model_directory,
        data=DataConfig(directory=prepared_directory, packs_per_step=2, steps=STEPS, seed=3),
        optimizer=OptimizerConfig(lr=3e-3, min_lr=3e-4, warmup_steps=2),
        engine=EngineConfig(kind="plain", dtype="float32", attn_implementation="packed"),
        scaling=ScalingConfig(workers=1),
        checkpoint=CheckpointConfig(every_steps=3),
        export=tmp_path / "export",
    )


def metrics(stage: StageConfig) -> list[StepMetrics]:
    return read_metrics(Storage(stage.run.location))


def numbers(rows: list[StepMetrics]) -> list[tuple[Any, ...]]:
    return [(row.step, row.loss, row.grad_norm, row.packs, row.evaluation_loss) for row in rows]


def elsewhere(stage: StageConfig, name: str, **changes: Any) -> StageConfig:
    run = stage.run.model_copy(update={"name": name})
    assert stage.export is not None
    return stage.model_copy(update={"run": run, "export": stage.export.with_name(name), **changes})


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=4, alpha=8, dropout=0.2)])
def test_a_run_continued_from_each_checkpoint_equals_the_whole_one(
    stage: StageConfig, prepared_directory: Path, lora: LoraConfig | None
) -> None:
    evaluation = EvaluationConfig(directory=prepared_directory, every_steps=2, packs=3)
    stage = stage.model_copy(update={"evaluation": evaluation, "lora": lora})
    stage = stage.model_copy(update={"checkpoint": CheckpointConfig(every_steps=3, keep=9)})
    train_stage(stage)
    whole = metrics(stage)
    assert [row.step for row in whole] == list(range(1, STEPS + 1))
    assert whole[-1].loss < whole[0].loss
    assert [row.step for row in whole if row.evaluation_loss is not None] == [2, 4, 6, 8]
    run = Path(stage.run.location)
    assert sorted(path.name for path in run.glob("step_*")) == ["step_00000003", "step_00000006", "step_00000008"]
    for step in (3, 6, 8):
        again = elsewhere(stage, f"from_{step}")
        shutil.copytree(run / f"step_{step:08d}", Path(again.run.location) / f"step_{step:08d}")
        train_stage(again)
        assert numbers(metrics(again)) == numbers(whole)[step:]
        files = [next(config.export.glob("*.safetensors")) for config in (stage, again) if config.export]
        first, second = map(load_file, files)
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_held_out_loss_is_the_mean_over_trained_tokens(stage: StageConfig, prepared_directory: Path) -> None:
    stage = stage.model_copy(update={"evaluation": EvaluationConfig(directory=prepared_directory, packs=5)})
    train_stage(stage)
    model = AutoModelForCausalLM.from_pretrained(stage.export, dtype=torch.float32)
    feed = PackFeed(read_prepared(prepared_directory).shards)
    settings = LossSettings.of(model, stage.engine)
    with torch.no_grad():
        total = sum(float(cross_entropy_sum(model, feed.read(pack), settings)) for pack in range(5))
    trained = sum(feed.read(pack).trained_tokens for pack in range(5))
    assert metrics(stage)[-1].evaluation_loss == pytest.approx(total / trained, rel=1e-5)


def test_a_loss_that_is_not_finite_stops_the_run_and_leaves_a_record(stage: StageConfig) -> None:
    settings = OptimizerConfig(lr=1e38, min_lr=0.0, warmup_steps=4)
    broken = stage.model_copy(update={"optimizer": settings, "checkpoint": CheckpointConfig(every_steps=1)})
    with pytest.raises(TrainingError, match=r"the .* is (nan|inf) in step \d+, packs \[\d+, \d+\]") as stopped:
        train_stage(broken)
    (record,) = Path(broken.run.location).glob("not_finite_step_*.json")
    found = json.loads(record.read_text())
    done = metrics(broken)
    assert found["step"] == len(done) + 1
    assert [row["step"] for row in found["last_steps"]] == [row.step for row in done]
    assert f"packs {[pack['pack'] for pack in found['packs']]}" in str(stopped.value)
    assert record.name in str(stopped.value)
    first = max(1, len(done) - 1)  # two are kept
    assert f"Checkpoints before it: step_{first:08d}" in str(stopped.value)
    assert not (broken.export and broken.export.exists())


def test_a_run_with_more_steps_behind_it_than_wanted_is_not_exported(stage: StageConfig) -> None:
    train_stage(stage)
    shorter = stage.model_copy(update={"data": stage.data.model_copy(update={"steps": 4}), "export": None})
    with pytest.raises(TrainingError, match="newest checkpoint has 8 steps, but this run ends at 4"):
        train_stage(shorter)


def test_a_notice_of_preemption_is_answered_with_a_checkpoint(
    stage: StageConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("octupus.train.loop.PREEMPTION_INTERVAL_S", 0.0)
    asked: list[Path | None] = []

    def notice() -> bool:
        asked.append(stage.export)
        return len(asked) == 2

    stage = stage.model_copy(update={"checkpoint": CheckpointConfig(every_steps=100, keep=9)})
    train_stage(stage, notice)
    found = sorted(path.name for path in Path(stage.run.location).glob("step_*"))
    assert found == ["step_00000002", f"step_{STEPS:08d}"]
    assert len(asked) == 2  # answered once; the node goes on until it is taken


def test_minutes_between_checkpoints_count_too(stage: StageConfig) -> None:
    often = CheckpointConfig(every_steps=100, every_minutes=1e-9, keep=100)
    train_stage(stage.model_copy(update={"checkpoint": often}))
    assert len(list(Path(stage.run.location).glob("step_*"))) == STEPS
