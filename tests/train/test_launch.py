import json
import logging
from pathlib import Path

import pytest

from octupus.errors import TrainingError
from octupus.train.checkpoint import store
from octupus.train.checkpoint.storage import Storage
from octupus.train.checkpoint.store import Checkpoint, RunIdentity
from octupus.train.cluster import Resources
from octupus.train.config import DataConfig, LoraConfig, RunConfig, ScalingConfig, StageConfig, WorkerRange
from octupus.train.launch import check_resume, finished, resolve
from octupus.train.packs.prepared import read_prepared
from octupus.train.stage import absolute, lineage_entry


@pytest.fixture
def stage(tmp_path: Path, model_directory: Path, prepared_directory: Path) -> StageConfig:
    return StageConfig(
        run=RunConfig(name="run", storage=str(tmp_path / "runs")),
        model=model_directory,
        data=DataConfig(directory=prepared_directory, packs_per_step=4, epochs=1.5),
        export=tmp_path / "export",
    )


@pytest.mark.parametrize(
    ("scaling", "resources", "complaint"),
    [
        (ScalingConfig(workers=2), Resources(cpus=1, gpus=0), "need 2, but the cluster has 1"),
        (ScalingConfig(workers=4, cpus_per_worker=4), Resources(cpus=8, gpus=0), "need 16, but the cluster has 8"),
        (ScalingConfig(workers=4), Resources(cpus=64, gpus=2), "need one GPU each, but the cluster has 2"),
        (
            ScalingConfig(workers=2, use_gpu=True),
            Resources(cpus=64, gpus=0),
            "need one GPU each, but the cluster has 0",
        ),
        (ScalingConfig(workers="auto", use_gpu=True, autoscaling=True), Resources(8, 0), "give the number of workers"),
        (ScalingConfig(workers="auto"), Resources(cpus=64, gpus=3), "nearest that are: 3 or 6"),
        (ScalingConfig(workers=WorkerRange(min=3, max=8)), Resources(cpus=2, gpus=0), "need 3, but the cluster has 2"),
    ],
)
def test_a_cluster_that_is_too_small_is_named(
    stage: StageConfig, scaling: ScalingConfig, resources: Resources, complaint: str
) -> None:
    with pytest.raises(TrainingError, match=complaint):
        resolve(stage.model_copy(update={"scaling": scaling}), resources)


@pytest.mark.parametrize("workers", [64, WorkerRange(min=2, max=64)])
def test_a_cluster_that_grows_is_not_too_small(stage: StageConfig, workers: int | WorkerRange) -> None:
    scaling = ScalingConfig(workers=workers, autoscaling=True, use_gpu=True)
    data = stage.data.model_copy(update={"packs_per_step": 64})
    resolved = resolve(stage.model_copy(update={"scaling": scaling, "data": data}), Resources(cpus=2, gpus=0))
    assert resolved.scaling.workers == workers
    assert resolved.engine.dtype == "bfloat16"


def test_auto_follows_the_cluster(stage: StageConfig) -> None:
    automatic = stage.model_copy(update={"scaling": ScalingConfig(workers="auto")})
    on_cpu, on_gpu = resolve(automatic, Resources(8, 0)), resolve(automatic, Resources(8, 4))
    assert (on_cpu.scaling.workers, on_cpu.engine.dtype) == (2, "float32")
    assert (on_gpu.scaling.workers, on_gpu.engine.dtype) == (4, "bfloat16")


def test_an_export_is_reused_only_for_the_same_training(stage: StageConfig) -> None:
    config = absolute(stage)
    assert config.export is not None
    prepared = read_prepared(config.data.directory)
    assert not finished(config, prepared)
    config.export.mkdir()
    resolved = resolve(config, Resources(cpus=8, gpus=0))
    record = {"dialect": "octupus", "lineage": [lineage_entry(resolved, prepared)]}
    (config.export / "octupus.json").write_text(json.dumps(record))
    assert finished(config, prepared)
    more = config.model_copy(update={"data": config.data.model_copy(update={"epochs": 3.0})})
    with pytest.raises(TrainingError, match="exists but was not made with this configuration"):
        finished(more, prepared)


def test_a_checkpoint_of_another_run_is_refused_before_workers_start(stage: StageConfig, tmp_path: Path) -> None:
    config = resolve(absolute(stage), Resources(cpus=8, gpus=0))
    prepared = read_prepared(config.data.directory)
    storage = Storage(config.run.location)
    check_resume(config, prepared, storage)
    identity = dict(RunIdentity.of(config, prepared).values)
    settings = config.model_dump(mode="json")
    store.commit(storage, Checkpoint(8, 800, workers=0, identity=identity, config=settings, versions={}))
    check_resume(config, prepared, storage)
    for change, complaint in [
        ({"data": config.data.model_copy(update={"seed": 5})}, "with data.seed 0, but this run has 5"),
        ({"data": config.data.model_copy(update={"packs_per_step": 8})}, "data.packs_per_step 4, but this run has 8"),
        ({"engine": config.engine.model_copy(update={"zero_stage": 3})}, "engine.zero_stage 2, but this run has 3"),
        ({"lora": LoraConfig(rank=4)}, "lora None, but this run has"),
    ]:
        with pytest.raises(TrainingError, match=complaint):
            check_resume(config.model_copy(update=change), prepared, storage)


def test_settings_that_may_change_are_told(
    stage: StageConfig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("octupus"), "propagate", True)
    config = resolve(absolute(stage), Resources(cpus=8, gpus=0))
    prepared = read_prepared(config.data.directory)
    storage = Storage(config.run.location)
    identity = dict(RunIdentity.of(config, prepared).values)
    settings = config.model_dump(mode="json")
    store.commit(storage, Checkpoint(8, 800, workers=0, identity=identity, config=settings, versions={}))
    changed = config.model_copy(update={"optimizer": config.optimizer.model_copy(update={"lr": 1e-4})})
    with caplog.at_level(logging.INFO):
        check_resume(changed, prepared, storage)
    assert "optimizer.lr from 2e-05 to 0.0001" in caplog.text
