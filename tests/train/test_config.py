from pathlib import Path
from typing import Any

import pytest

from octupus.config import read_yaml, resolve
from octupus.errors import ConfigError
from octupus.train.config import StageConfig

JOBS = Path(__file__).parents[2] / "jobs"


def values(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "run": {"name": "stage1", "storage": "runs"},
        "model": "model",
        "data": {"directory": "data", "packs_per_step": 8},
    }
    return plain | changes


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"data": {"directory": "d", "packs_per_step": 7}}, "packs_per_step 7 is .*workers 2; .*: 6 or 8"),
        ({"data": {"directory": "d", "packs_per_step": 1}}, "packs_per_step 1 is .*workers 2; .*: 2"),
        ({"optimizer": {"lr": 1e-6, "min_lr": 1e-5}}, "min_lr 1e-05 is above lr 1e-06"),
        ({"optimizer": {"betas": [0.9, 1.0]}}, "betas"),
        ({"engine": {"zero_stage": 0}}, "zero_stage 0 gives no gradient norm; use 1"),
        ({"engine": {"zero_stage": 2, "offload_parameters": "cpu"}}, "offload_parameters needs zero_stage 3, not 2"),
        ({"engine": {"zero_stage": 2, "offload_optimizer": "nvme"}}, "nvme needs zero_stage 3, not 2; use cpu"),
        ({"engine": {"zero_stage": 3, "offload_optimizer": "nvme"}}, "nvme needs offload_directory"),
        ({"engine": {"kind": "plain"}}, "plain trains with one worker"),
        ({"scaling": {"workers": {"min": 3, "max": 2}}}, "min 3 is above max 2"),
        ({"lora": {"rank": 0}}, "lora.rank"),
        ({"scaling": {"workers": 0}}, "at least 1"),
        ({"run": {"name": "../x", "storage": "runs"}}, "run.name"),
        ({"optimiser": {}}, "did you mean 'optimizer'"),
    ],
)
def test_refuses_what_cannot_work(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        resolve(StageConfig, values(**changes))


@pytest.mark.parametrize(
    ("storage", "location"),
    [
        ("s3://bucket/runs/", "s3://bucket/runs/stage1"),
        (
            "s3://bucket?endpoint_override=http%3A%2F%2F127.0.0.1",
            "s3://bucket/stage1?endpoint_override=http%3A%2F%2F127.0.0.1",
        ),
        ("gs://bucket/a/b", "gs://bucket/a/b/stage1"),
        ("/runs", "/runs/stage1"),
    ],
)
def test_a_run_lies_below_its_storage(storage: str, location: str) -> None:
    assert resolve(StageConfig, values(run={"name": "stage1", "storage": storage})).run.location == location


def test_workers_may_be_left_to_the_cluster() -> None:
    config = resolve(StageConfig, values(scaling={"workers": "auto"}, data={"directory": "d", "packs_per_step": 7}))
    assert config.scaling.workers == "auto"


@pytest.mark.parametrize(("stage", "epochs", "clip"), [(1, 2, 10), (2, 1, 3)])
def test_the_jobs_files_hold_the_published_hyperparameters(stage: int, epochs: float, clip: float) -> None:
    config = resolve(StageConfig, read_yaml(JOBS / f"train_stg{stage}.yaml"))
    assert (config.optimizer.lr, config.optimizer.min_lr, config.optimizer.warmup_steps) == (2e-5, 1e-6, 50)
    assert (config.data.epochs, config.optimizer.max_grad_norm) == (epochs, clip)


def test_stage_2_starts_from_the_export_of_stage_1() -> None:
    first, second = (resolve(StageConfig, read_yaml(JOBS / f"train_stg{stage}.yaml")) for stage in (1, 2))
    assert second.model == first.export
