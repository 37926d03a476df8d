import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from octupus.errors import ManifestError, TrainingError, VocabularyError
from octupus.train.cluster import Resources
from octupus.train.config import DataConfig, RunConfig, ScalingConfig, StageConfig
from octupus.train.launch import check_inputs, finished, resolve
from octupus.train.metrics import MetricsLog, StepMetrics, read_metrics
from octupus.train.prepared import read_prepared
from octupus.train.report import write_report
from octupus.train.stage import absolute, lineage_entry, total_steps


@pytest.fixture
def stage(tmp_path: Path, model_directory: Path, prepared_directory: Path) -> StageConfig:
    return StageConfig(
        run=RunConfig(name="run", storage=tmp_path / "runs"),
        model=model_directory,
        data=DataConfig(directory=prepared_directory, packs_per_step=4, epochs=1.5),
        export=tmp_path / "export",
    )


def test_sound_inputs_pass(stage: StageConfig) -> None:
    prepared = check_inputs(stage)
    assert prepared.packs == 20
    assert total_steps(stage, prepared) == 8  # 30 packs, 4 at a time


def test_a_model_without_control_tokens_is_refused(stage: StageConfig, base_directory: Path) -> None:
    with pytest.raises(VocabularyError, match=r"lacks the control tokens <\|SYSTEM\|>"):
        check_inputs(stage.model_copy(update={"model": base_directory}))


def edit_manifest(stage: StageConfig, directory: Path, **changes: Any) -> StageConfig:
    shutil.copytree(stage.data.directory, directory)
    manifest = json.loads((directory / "manifest.json").read_text())
    (directory / "manifest.json").write_text(json.dumps(manifest | changes))
    return stage.model_copy(update={"data": stage.data.model_copy(update={"directory": directory})})


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"tokenizer_sha256": "0" * 64}, "another tokenizer"),
        ({"dialect": "hermes"}, "prepared in the hermes dialect"),
        ({"packs": 0}, "holds no packs"),
        ({"format": "octupus-packs/9"}, "octupus-packs"),
    ],
)
def test_unfitting_data_is_refused(stage: StageConfig, tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ManifestError, match=complaint):
        check_inputs(edit_manifest(stage, tmp_path / "data", **changes))


def test_a_damaged_shard_is_refused(stage: StageConfig, tmp_path: Path) -> None:
    damaged = edit_manifest(stage, tmp_path / "data")
    with (damaged.data.directory / "packs-00001.parquet").open("ab") as shard:
        shard.write(b"x")
    with pytest.raises(ManifestError, match="packs-00001"):
        check_inputs(damaged)


@pytest.mark.parametrize(
    ("scaling", "resources", "complaint"),
    [
        (ScalingConfig(workers=2), Resources(cpus=1, gpus=0), "need 2, but the cluster has 1"),
        (ScalingConfig(workers=4, cpus_per_worker=4), Resources(cpus=8, gpus=0), "need 16, but the cluster has 8"),
        (ScalingConfig(workers=4), Resources(cpus=64, gpus=2), "need one GPU each, but the cluster has 2"),
        (ScalingConfig(workers="auto"), Resources(cpus=64, gpus=3), "nearest that are: 3 or 6"),
    ],
)
def test_a_cluster_that_is_too_small_is_named(
    stage: StageConfig, scaling: ScalingConfig, resources: Resources, complaint: str
) -> None:
    with pytest.raises(TrainingError, match=complaint):
        resolve(stage.model_copy(update={"scaling": scaling}), resources)


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


def metrics(step: int) -> StepMetrics:
    return StepMetrics(step, 2.0 / step, 1e-3, 0.5, 100, 40, [step, step + 1], 0.01)


def test_continuing_drops_the_steps_that_come_again(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0)
    for step in range(1, 8):
        log.append(metrics(step))
    log.close()
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 8, "lo')  # the writer died here
    assert read_metrics(tmp_path) == [metrics(step) for step in range(1, 8)]
    again = MetricsLog(tmp_path, 4)
    again.append(metrics(5))
    again.close()
    assert read_metrics(tmp_path) == [metrics(step) for step in range(1, 6)]


def test_the_report_draws_three_curves_and_says_why_a_run_stopped(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0)
    for step in range(1, 30):
        log.append(metrics(step))
    log.close()
    text = write_report(tmp_path, "run <1>", "the loss is nan").read_text()
    assert text.count("<svg") == 3
    assert "the loss is nan" in text
    assert "run &lt;1&gt;" in text


def test_a_run_that_never_stepped_still_has_a_report(tmp_path: Path) -> None:
    assert "no workers" in write_report(tmp_path, "run", "no workers").read_text()
