"""Ray Train around the workers: places them, restarts them when one dies, and follows a cluster that changes."""

from __future__ import annotations

import os
from typing import Any

from octupus.errors import TrainingError
from octupus.ray_session import failure_reason
from octupus.train.config import StageConfig, WorkerRange

RESIZE_INTERVAL_S = 60.0
"""How often a run with a range of workers looks whether the cluster has room for more."""


def fit(config: StageConfig) -> None:
    """Train a resolved stage on the connected cluster.

    Raises TrainingError when the stage fails in a way that would come again, or its workers died more often than
    `scaling.max_failures` allows.
    """
    # How often the controller looks at the workers; the default of 2 s delays every restart and the end.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    import ray.train
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    from octupus.train.torch_group import TorchGroupConfig
    from octupus.train.worker import train_worker

    use_gpu = config.scaling.use_gpu is True
    trainer = DataParallelTrainer(
        train_worker,
        train_loop_config=config.model_dump(mode="json"),
        backend_config=TorchGroupConfig(backend="nccl" if use_gpu else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=_workers(config),
            use_gpu=use_gpu,
            resources_per_worker={"CPU": config.scaling.cpus_per_worker} | ({"GPU": 1} if use_gpu else {}),
            elastic_resize_monitor_interval_s=RESIZE_INTERVAL_S,
        ),
        run_config=ray.train.RunConfig(
            name=config.run.name,
            storage_path=config.run.storage,
            failure_config=ray.train.FailureConfig(max_failures=config.scaling.max_failures),
            logging_config=ray.train.LoggingConfig(log_level="WARNING"),
        ),
    )
    try:
        outcome = trainer.fit().return_value
    except ray.train.TrainingFailedError as error:
        raise TrainingError(f"run {config.run.name} failed: {failure_reason(error)}") from error
    if outcome and "error" in outcome:
        raise TrainingError(outcome["error"])


def _workers(config: StageConfig) -> Any:
    workers = config.scaling.workers
    return (workers.min, workers.max) if isinstance(workers, WorkerRange) else workers
