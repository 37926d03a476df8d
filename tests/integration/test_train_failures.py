"""Training runs that lose their driver, workers, disks, data or numbers (nodes: tests/soak/test_preemption.py).

The runs that are killed are compared with one that two processes trained without Ray: Ray only starts the workers, and
all numbers are computed by the same code in as many threads, so not a bit may differ.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import ray

from octupus.errors import OutputError, TrainingError
from octupus.train.checkpoint import store
from octupus.train.checkpoint.storage import Storage
from octupus.train.config import (
    CheckpointConfig,
    DataConfig,
    EngineConfig,
    OptimizerConfig,
    RunConfig,
    ScalingConfig,
    StageConfig,
)
from octupus.train.launch import train
from octupus.train.packs.prepared import read_prepared
from octupus.train.stage import pack_plan
from octupus.train.watch.metrics import read_metrics
from tests.integration.training_runs import (
    at_step,
    errors_by_worker,
    numbers,
    same_weights,
    small_disk,
    train_with_kills,
)
from tests.integration.worker_processes import Trained, train_in_processes
from tests.train.tiny_model import write_packs, write_workspace

STEPS = 120
CHECKPOINT_EVERY = 10
LONG = 600
"""Steps of a run that is not meant to end."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, packs for it, and the uninterrupted run."""
    directory = tmp_path_factory.mktemp("failures")
    write_workspace(directory)
    train_in_processes([Trained(stage(directory, "uninterrupted"))], 2, directory)
    return directory


@pytest.fixture(scope="module")
def worker_scratch() -> Iterator[Path]:
    """TMPDIR of the workers of a private Ray. Its own path is short, as the paths of sockets must be."""
    directory = Path(tempfile.mkdtemp(prefix="octupus_failures_"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(directory / "scratch"))
        patch.setenv("RAY_TMPDIR", str(directory))
        (directory / "scratch").mkdir()
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield directory / "scratch"
        ray.shutdown()
    shutil.rmtree(directory)


def stage(directory: Path, name: str, **changes: Any) -> StageConfig:
    """The run that all others are variants of; `changes` replace whole parts of its configuration."""
    config = StageConfig(
        run=RunConfig(name=name, storage=str(directory / "runs")),
        model=directory / "model",
        data=DataConfig(directory=directory / "data", packs_per_step=4, steps=STEPS, seed=3),
        optimizer=OptimizerConfig(lr=1e-3, min_lr=1e-4, warmup_steps=2, weight_decay=0.01),
        engine=EngineConfig(dtype="float32"),
        scaling=ScalingConfig(workers=2, max_failures=0),
        checkpoint=CheckpointConfig(every_steps=CHECKPOINT_EVERY),
        export=directory / "exports" / name,
    )
    return config.model_copy(update=changes)


def failure_of(config: StageConfig) -> str:
    """The message of the TrainingError that a run ends with."""
    with pytest.raises(TrainingError) as raised:
        train(config)
    return str(raised.value)


def report_of(config: StageConfig) -> str:
    return (Path(config.run.location) / "report.html").read_text()


def test_a_run_whose_workers_and_driver_were_killed_equals_the_uninterrupted_one(
    workspace: Path, tmp_path: Path
) -> None:
    config = stage(workspace, "killed", scaling=ScalingConfig(workers=2, max_failures=-1))
    kills = train_with_kills(config, ["worker", "writing", "driver"], tmp_path, seed=1)
    uninterrupted = stage(workspace, "uninterrupted")
    assert numbers(config) == numbers(uninterrupted)
    assert same_weights(config, uninterrupted)
    halves = [kill for kill in kills if kill.half_written is not None]
    assert halves
    assert all(kill.resumed_at < kill.half_written for kill in halves if kill.half_written is not None)


def test_a_checkpoint_of_another_run_is_refused_before_workers_start(worker_scratch: Path, workspace: Path) -> None:
    write_packs(workspace / "fewer", workspace / "model", packs=16)
    data = stage(workspace, "uninterrupted").data
    changed: dict[str, dict[str, Any]] = {
        "data.seed 3, but this run has 4": {"seed": 4},
        "data.packs_per_step 4, but this run has 2": {"packs_per_step": 2},
        "manifest [0-9a-f]{64}, but this run has [0-9a-f]{64}": {"directory": workspace / "fewer"},
    }
    for told, change in changed.items():
        config = stage(workspace, "uninterrupted", data=data.model_copy(update=change), export=None)
        started = time.monotonic()
        with pytest.raises(TrainingError, match=f"the checkpoint of step {STEPS} was written with .*{told}"):
            train(config)
        assert time.monotonic() - started < 5
    assert numbers(stage(workspace, "uninterrupted"))[-1][0] == STEPS


def test_more_workers_than_the_cluster_holds_is_an_error_at_once(worker_scratch: Path, workspace: Path) -> None:
    config = stage(workspace, "crowded", scaling=ScalingConfig(workers=4))
    started = time.monotonic()
    with pytest.raises(TrainingError, match="4 workers with 1 CPUs each need 4, but the cluster has 2"):
        train(config)
    assert time.monotonic() - started < 5


def test_storage_that_cannot_be_written_is_an_error_before_training(workspace: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m,ro") as mounted:
        if not mounted:
            pytest.skip("this machine mounts no file system")
        config = stage(workspace, "read_only", run=RunConfig(name="run", storage=str(tmp_path / "disk")))
        with pytest.raises(OutputError, match=r"run.storage: .*/disk/run cannot be written: .*Read-only file system"):
            train(config)


def test_every_worker_ends_with_the_error_of_damaged_data_or_numbers(workspace: Path, tmp_path: Path) -> None:
    """Without Ray: a worker that failed alone would leave the other one waiting here."""
    many = write_packs(workspace / "many", workspace / "model", packs=1200)
    shard = many / "packs-00001.parquet"
    cut_off = stage(workspace, "cut_off", data=DataConfig(directory=many, packs_per_step=4, steps=LONG, seed=3))
    diverged = stage(
        workspace,
        "diverged",
        optimizer=OptimizerConfig(lr=1e30, warmup_steps=0),
        checkpoint=CheckpointConfig(every_steps=1),
    )
    with at_step(cut_off, 15, lambda: os.truncate(shard, shard.stat().st_size // 100)):
        errors, others = errors_by_worker([cut_off, diverged], 2, tmp_path)
    assert errors == others
    check_cut_off(cut_off, errors[0], shard)
    check_diverged(diverged, errors[1])


def test_every_worker_ends_with_the_error_of_a_full_disk(workspace: Path, tmp_path: Path) -> None:
    """One disk is filled by the checkpoints, which keeps the newest from being stored; the other one by somebody else,
    so that not even the metrics can be written."""
    places = [tmp_path / "by_checkpoints", tmp_path / "by_others"]
    stages = [stage(workspace, place.name, run=RunConfig(name="run", storage=str(place))) for place in places]
    one = sum(Storage(stage(workspace, "uninterrupted").run.location).sizes(store.directory_name(STEPS)).values())
    with small_disk(places[0], f"{one * 5 // 2}") as first, small_disk(places[1], f"{one * 8}") as second:
        if not (first and second):
            pytest.skip("this machine mounts no file system")
        with at_step(stages[1], 15, lambda: fill(places[1])):
            errors, others = errors_by_worker(stages, 2, tmp_path)
        assert errors == others
        for config, error in zip(stages, errors, strict=True):
            assert config.run.location in error
            assert "No space left on device" in error
            assert newest_step(config) >= CHECKPOINT_EVERY


def check_cut_off(config: StageConfig, error: str, shard: Path) -> None:
    assert "cannot be read" in error
    assert str(shard) in error
    assert newest_step(config) >= CHECKPOINT_EVERY


def check_diverged(config: StageConfig, error: str) -> None:
    rows = read_metrics(Storage(config.run.location))
    (file,) = Path(config.run.location).glob("not_finite_step_*.json")
    record = json.loads(file.read_text())
    step = rows[-1].step + 1
    plan = pack_plan(config, read_prepared(config.data.directory))
    assert record["step"] == step
    assert {pack["pack"] for pack in record["packs"]} == set(plan.pack_ids(step - 1))
    assert all(pack["loss"] == "nan" for pack in record["packs"])
    assert [row["step"] for row in record["last_steps"]] == [row.step for row in rows]
    assert str(file) in error
    assert f"step_{step - 1:08d}" in error
    assert newest_step(config) == step - 1


def newest_step(config: StageConfig) -> int:
    """Steps of the newest complete checkpoint."""
    newest = store.newest(Storage(config.run.location))
    assert newest is not None
    return newest.step


def test_a_run_goes_on_where_a_full_disk_stopped_it(worker_scratch: Path, workspace: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, "20m") as mounted:
        if not mounted:
            pytest.skip("this machine mounts no file system")
        config = stage(workspace, "full", run=RunConfig(name="run", storage=str(disk)), export=None)
        with at_step(config, 15, lambda: fill(disk)), pytest.raises(TrainingError) as raised:
            train(config)
        message = str(raised.value)
        assert config.run.location in message
        assert "No space left on device" in message
        assert "report.html" not in message  # which cannot be written either, but stopped nothing
        assert newest_step(config) >= CHECKPOINT_EVERY
        (disk / "ballast").unlink()
        train(config)
        assert numbers(config) == numbers(stage(workspace, "uninterrupted"))


def fill(disk: Path) -> None:
    """Write until nothing more fits."""
    with suppress(OSError), (disk / "ballast").open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))


def test_a_full_temporary_directory_ends_the_run(worker_scratch: Path, workspace: Path) -> None:
    with small_disk(worker_scratch, "300k") as mounted:
        if not mounted:
            pytest.skip("this machine mounts no file system")
        config = stage(workspace, "no_scratch", scaling=ScalingConfig(workers=2, max_failures=1), export=None)
        message = failure_of(config)
    assert f"the checkpoint of step {CHECKPOINT_EVERY} cannot be written to {worker_scratch}" in message
    assert "set TMPDIR to a larger disk" in message
    assert "set TMPDIR to a larger disk" in report_of(config)
    assert store.newest(Storage(config.run.location)) is None
