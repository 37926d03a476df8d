"""Ray Train around the training loop of a retriever: places the workers and restarts them when one dies."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from octupus.agent.retrieve.config import RetrieverConfig
from octupus.errors import ConfigError, CorpusError, TrainingError
from octupus.ray_session import failure_reason
from octupus.telemetry import configure_logging

_RUN_NAME = "ray"
_JOIN_TIMEOUT_S = 1800


def with_gpu_decided(config: RetrieverConfig) -> RetrieverConfig:
    """The configuration without `auto`. Raises TrainingError when the connected cluster cannot hold the workers."""
    import ray

    resources = ray.cluster_resources()
    scaling = config.scaling
    use_gpu = bool(resources.get("GPU")) if scaling.use_gpu == "auto" else scaling.use_gpu
    wanted = {"CPU": scaling.workers * scaling.cpus_per_worker, "GPU": scaling.workers if use_gpu else 0}
    for kind, count in wanted.items():
        if count > resources.get(kind, 0):
            raise TrainingError(
                f"{scaling.workers} workers need {count} {kind}s, but the cluster has {resources.get(kind, 0):g}; "
                "lower scaling.workers, or add nodes"
            )
    return config.model_copy(update={"scaling": scaling.model_copy(update={"use_gpu": use_gpu})})


def fit(config: RetrieverConfig, start: Path) -> None:
    """Train from the encoder in `start` on the connected cluster.

    Raises TrainingError when it fails in a way that would come again, or workers died more often than
    `scaling.max_failures` allows.
    """
    # How often the controller looks at the workers; the default of 2 s delays every restart and the end.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    import ray.train
    from ray.train.torch import TorchConfig, TorchTrainer

    use_gpu = config.scaling.use_gpu is True
    trainer = TorchTrainer(
        retriever_worker,
        train_loop_config={"config": config.model_dump(mode="json"), "start": str(start)},
        torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo", timeout_s=_JOIN_TIMEOUT_S),
        scaling_config=ray.train.ScalingConfig(
            num_workers=config.scaling.workers,
            use_gpu=use_gpu,
            resources_per_worker={"CPU": config.scaling.cpus_per_worker} | ({"GPU": 1} if use_gpu else {}),
        ),
        run_config=ray.train.RunConfig(
            name=_RUN_NAME,
            storage_path=str(config.run),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=config.checkpoint.keep),
            failure_config=ray.train.FailureConfig(max_failures=config.scaling.max_failures),
            logging_config=ray.train.LoggingConfig(log_level="WARNING"),
        ),
    )
    try:
        outcome = trainer.fit().return_value
    except ray.train.TrainingFailedError as error:
        raise TrainingError(f"the retriever's training in {config.run} failed: {failure_reason(error)}") from error
    if outcome and "error" in outcome:
        raise TrainingError(outcome["error"])


def retriever_worker(settings: dict[str, Any]) -> dict[str, str]:
    """What Ray Train calls in each worker.

    Returns {} when all is done, and {"error": message} for what is the same on every worker and would come again after
    a restart: Ray Train retries what is raised.
    """
    import torch
    from ray.train.torch import get_device

    from octupus.agent.retrieve.readers import read_corpus
    from octupus.agent.retrieve.train import train

    configure_logging()
    config = RetrieverConfig.model_validate(settings["config"])
    torch.set_num_threads(config.scaling.cpus_per_worker)
    try:
        train(config, read_corpus(config.data), Path(settings["start"]), get_device(), RayCheckpoints())
    except (TrainingError, ConfigError, CorpusError) as error:
        return {"error": str(error)}
    return {}


class RayCheckpoints:
    """Checkpoints as Ray Train keeps them below the run's directory; see Checkpoints."""

    @contextmanager
    def newest(self) -> Iterator[Path | None]:
        """The newest one, also of an earlier call of the job: it has the same name and storage."""
        import ray.train

        checkpoint = ray.train.get_checkpoint()
        if checkpoint is None:
            yield None
            return
        with checkpoint.as_directory() as directory:
            yield Path(directory)

    def save(self, step: int, write: Callable[[Path], None]) -> None:
        """Report a step; the checkpoint is rank 0's, since all workers hold the same weights."""
        import ray.train

        if ray.train.get_context().get_world_rank() != 0:
            ray.train.report({"step": step})
            return
        with tempfile.TemporaryDirectory() as directory:
            write(Path(directory))
            ray.train.report({"step": step}, checkpoint=ray.train.Checkpoint.from_directory(directory))
