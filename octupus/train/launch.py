"""Run a training stage: check everything that can be checked first, then start the workers."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from octupus.chat.registry import model_chat
from octupus.data.manifest import check_tokenizer, read_manifest, verify
from octupus.errors import ManifestError, TrainingError
from octupus.ray_session import ray_session
from octupus.telemetry import event, progress, write_run_record
from octupus.train.cluster import Resources, cluster_resources, resolve_workers
from octupus.train.config import StageConfig, indivisible
from octupus.train.metrics import read_metrics
from octupus.train.model_directory import read_record
from octupus.train.prepared import PreparedData, read_prepared
from octupus.train.report import REPORT_FILE, write_report
from octupus.train.stage import absolute, total_steps, training_sha256

logger = logging.getLogger(__name__)

PROGRESS_INTERVAL_S = 0.5


@dataclass(frozen=True)
class TrainResult:
    """A finished stage."""

    export: Path | None
    report: Path
    first_loss: float
    last_loss: float
    steps: int
    seconds: float
    reused: bool = False
    """Whether an export of the same configuration was found, so that nothing was trained."""


def train(config: StageConfig) -> TrainResult:
    """Train a stage to its export.

    The same command continues an interrupted run from its newest checkpoint, and returns at once when the export of
    the same configuration exists.

    Raises VocabularyError (the model lacks control tokens), ManifestError (data missing, empty, or of another
    tokenizer) and TrainingError (resources, self-test, loss, checkpoint, or a worker that kept dying).
    """
    started = time.monotonic()
    config = absolute(config)
    prepared = check_inputs(config)
    if finished(config, prepared):
        event(logger, "train.reused", run=config.run.name, export=config.export)
        return _result(config, started, reused=True)
    with ray_session():
        resources = cluster_resources()
        config = resolve(config, resources)
        steps = total_steps(config, prepared)
        event(
            logger,
            "train.start",
            run=config.run.name,
            steps=steps,
            packs=prepared.packs,
            workers=config.scaling.workers,
            dtype=config.engine.dtype,
            zero_stage=config.engine.zero_stage,
        )
        write_run_record(config.run.directory, config)
        title = f"Training run {config.run.name}"
        try:
            with _followed(config.run.directory, config.run.name, steps):
                _fit(config, use_gpu=resources.gpus > 0)
        except TrainingError as error:
            write_report(config.run.directory, title, str(error))
            raise
        write_report(config.run.directory, title)
    result = _result(config, started)
    event(
        logger,
        "train.end",
        run=config.run.name,
        first_loss=result.first_loss,
        last_loss=result.last_loss,
        seconds=result.seconds,
        export=config.export,
    )
    return result


def check_inputs(config: StageConfig) -> PreparedData:
    """Check model directory against data, without Ray or torch; raises as `train` says."""
    prepared = read_prepared(config.data.directory)
    chat = model_chat(config.model)
    manifest = read_manifest(prepared.directory)
    check_tokenizer(manifest, chat.tokenizer)
    verify(prepared.directory, manifest)
    if prepared.dialect != chat.dialect.name:
        raise ManifestError(
            f"{prepared.directory} was prepared in the {prepared.dialect} dialect, but {config.model} speaks "
            f"{chat.dialect.name}; prepare the data for this model"
        )
    return prepared


def finished(config: StageConfig, prepared: PreparedData) -> bool:
    """Whether the export exists. Raises TrainingError when it exists but comes from another configuration."""
    if config.export is None or not config.export.exists():
        return False
    lineage = read_record(config.export).get("lineage", [])
    found = lineage[-1].get("training_sha256") if lineage else None
    matching = {
        training_sha256(_with_dtype(config, dtype), prepared)
        for dtype in ("float32", "bfloat16")
        if config.engine.dtype in ("auto", dtype)
    }
    if found in matching and lineage[-1]["steps"] == total_steps(config, prepared):
        return True
    raise TrainingError(
        f"{config.export} exists but was not made with this configuration and data; remove it, or choose another "
        "export and run.name"
    )


def resolve(config: StageConfig, resources: Resources) -> StageConfig:
    """The configuration with every `auto` decided. Raises TrainingError when the cluster cannot hold the workers."""
    workers = resolve_workers(config.scaling, resources)
    complaint = indivisible(config.data.packs_per_step, workers)
    if complaint:
        raise TrainingError(complaint)
    dtype = config.engine.dtype
    if dtype == "auto":
        dtype = "bfloat16" if resources.gpus else "float32"
    scaling = config.scaling.model_copy(update={"workers": workers})
    return _with_dtype(config.model_copy(update={"scaling": scaling}), dtype)


def _with_dtype(config: StageConfig, dtype: str) -> StageConfig:
    return config.model_copy(update={"engine": config.engine.model_copy(update={"dtype": dtype})})


def _fit(config: StageConfig, use_gpu: bool) -> None:
    # How often the controller looks at the workers; the default of 2 s also delays the registration of checkpoints.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    import ray.train
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    from octupus.train.torch_group import TorchGroupConfig
    from octupus.train.worker import train_worker

    trainer = DataParallelTrainer(
        train_worker,
        train_loop_config=config.model_dump(mode="json"),
        backend_config=TorchGroupConfig(backend="nccl" if use_gpu else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=config.scaling.workers,
            use_gpu=use_gpu,
            resources_per_worker={"CPU": config.scaling.cpus_per_worker} | ({"GPU": 1} if use_gpu else {}),
        ),
        run_config=ray.train.RunConfig(
            name=config.run.name,
            storage_path=str(config.run.storage),
            failure_config=ray.train.FailureConfig(max_failures=config.scaling.max_failures),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=config.checkpoint.keep),
            logging_config=ray.train.LoggingConfig(log_level="WARNING"),
        ),
    )
    try:
        outcome = trainer.fit().return_value
    except ray.train.TrainingFailedError as error:
        raise TrainingError(f"run {config.run.name} failed: {error}") from error
    if outcome and "error" in outcome:
        raise TrainingError(outcome["error"])


@contextmanager
def _followed(directory: Path, name: str, steps: int) -> Iterator[None]:
    """Show a progress line from the run's metrics while the block runs."""
    stop = threading.Event()
    with progress(name, steps) as bar:

        def follow() -> None:
            while not stop.wait(PROGRESS_INTERVAL_S):
                metrics = read_metrics(directory)
                if metrics:
                    last = metrics[-1]
                    note = f"loss {last.loss:.4f}, {last.tokens / last.step_s:,.0f} tokens/s"
                    bar.update(bar.tasks[0].id, completed=last.step, note=note)

        thread = threading.Thread(target=follow, daemon=True)
        if not bar.disable:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            if thread.ident is not None:
                thread.join()


def _result(config: StageConfig, started: float, reused: bool = False) -> TrainResult:
    metrics = read_metrics(config.run.directory)
    return TrainResult(
        export=config.export,
        report=config.run.directory / REPORT_FILE,
        first_loss=metrics[0].loss if metrics else float("nan"),
        last_loss=metrics[-1].loss if metrics else float("nan"),
        steps=metrics[-1].step if metrics else 0,
        seconds=time.monotonic() - started,
        reused=reused,
    )
