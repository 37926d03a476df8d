import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from octupus.errors import TrainingError
from octupus.train.checkpoint.storage import Storage
from octupus.train.checkpoint.store import (
    Checkpoint,
    RunIdentity,
    clear_after,
    commit,
    newest,
    prune,
    share_name,
    share_record,
)
from octupus.train.config import DataConfig, OptimizerConfig, RunConfig, StageConfig

WORKERS = 2


def checkpoint(step: int, **changes: Any) -> Checkpoint:
    values: dict[str, Any] = {
        "step": step,
        "tokens": 10 * step,
        "workers": WORKERS,
        "identity": {"data.seed": 3},
        "config": {},
        "versions": {},
    }
    return Checkpoint(**(values | changes))


def write(storage: Storage, step: int, scratch: Path) -> list[str]:
    """Write a complete checkpoint as two workers do; returns its files in the order of writing."""
    made = checkpoint(step)
    order = []
    for rank in range(WORKERS):
        share = scratch / f"{step}_{rank}"
        (share / "ds").mkdir(parents=True)
        (share / "ds" / f"shard_{rank}.pt").write_bytes(bytes(100 + rank))
        (share / f"rng_{rank}.pt").write_bytes(bytes(10))
        files = {f"ds/shard_{rank}.pt": 100 + rank, f"rng_{rank}.pt": 10}
        storage.upload(share, made.directory)
        storage.write(f"{made.directory}/{share_name(rank)}", share_record(files))
        order += [*files, share_name(rank)]
    commit(storage, made)
    return [*order, "state.json"]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "run"))


def test_the_newest_complete_one_is_chosen(storage: Storage, tmp_path: Path) -> None:
    assert newest(storage) is None
    for step in (10, 20, 100):
        write(storage, step, tmp_path)
    assert newest(storage) == checkpoint(100)
    prune(storage, keep=2)
    assert storage.directories() == ["step_00000020", "step_00000100"]


def test_one_that_is_cut_off_anywhere_is_never_chosen(storage: Storage, tmp_path: Path) -> None:
    write(storage, 10, tmp_path)
    order = write(storage, 20, tmp_path)
    whole = tmp_path / "whole"
    shutil.copytree(tmp_path / "run", whole)
    chance = random.Random(0)
    for written in range(len(order)):
        for half in (False, True):
            shutil.rmtree(tmp_path / "run")
            shutil.copytree(whole, tmp_path / "run")
            directory = tmp_path / "run" / "step_00000020"
            for name in order[written:]:
                if half and name == order[written]:
                    content = (directory / name).read_bytes()
                    (directory / name).write_bytes(content[: chance.randrange(len(content))])
                else:
                    (directory / name).unlink()
            found = newest(storage)
            assert found is not None
            assert found.step == 10, (order[written], half)
    clear_after(storage, 10)
    assert storage.directories() == ["step_00000010"]


@pytest.mark.parametrize("damage", ["truncated", "missing", "longer"])
def test_one_that_was_damaged_later_is_passed_over(storage: Storage, tmp_path: Path, damage: str) -> None:
    write(storage, 10, tmp_path)
    write(storage, 20, tmp_path)
    shard = tmp_path / "run" / "step_00000020" / "ds" / "shard_1.pt"
    if damage == "missing":
        shard.unlink()
    else:
        shard.write_bytes(bytes(50 if damage == "truncated" else 200))
    found = newest(storage)
    assert found is not None
    assert found.step == 10


def test_another_run_is_refused_with_both_values() -> None:
    with pytest.raises(TrainingError, match=r"step 5 was written with data.seed 3, but this run has 4"):
        checkpoint(5).require(RunIdentity({"data.seed": 4}))
    checkpoint(5).require(RunIdentity({"data.seed": 3}))


def test_changed_settings_are_told_apart_from_changed_places() -> None:
    def stage(lr: float, name: str) -> StageConfig:
        return StageConfig(
            run=RunConfig(name=name, storage="runs"),
            model=Path("model"),
            data=DataConfig(directory=Path("data"), packs_per_step=4),
            optimizer=OptimizerConfig(lr=lr),
        )

    old = checkpoint(5, config=stage(1e-3, "a").model_dump(mode="json"))
    assert old.changes(stage(1e-3, "b")) == {}
    assert old.changes(stage(2e-3, "b")) == {"optimizer.lr": (1e-3, 2e-3)}
