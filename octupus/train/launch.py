"""Run a training stage: check everything that can be checked first, then start the workers."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from octupus.errors import OutputError, TrainingError
from octupus.ray_session import ray_session
from octupus.telemetry import event, run_record
from octupus.train.checkpoint import store
from octupus.train.checkpoint.storage import Storage
from octupus.train.checkpoint.store import RunIdentity
from octupus.train.cluster import Resources, cluster_resources, resolve_use_gpu, resolve_workers
from octupus.train.config import StageConfig, indivisible
from octupus.train.inputs import check_inputs, check_output
from octupus.train.model.directory import read_record
from octupus.train.packs.prepared import PreparedData
from octupus.train.ray_trainer import fit
from octupus.train.stage import absolute, total_steps, training_sha256
from octupus.train.watch.metrics import read_metrics
from octupus.train.watch.progress import followed
from octupus.train.watch.report import REPORT_FILE, write_report

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """A finished stage."""

    export: Path | None
    report: str
    """Path or URL of the report."""
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

    Raises ConfigError (no model there, or a DeepSpeed file that contradicts), VocabularyError (the model lacks control
    tokens), ManifestError (data missing, empty, damaged, or of another tokenizer), OutputError (storage cannot be
    written) and TrainingError (resources, self-test, loss, checkpoint, or a worker that kept dying).
    """
    started = time.monotonic()
    prepared = check_inputs(config)
    config = absolute(config)
    storage = Storage(config.run.location)
    if finished(config, prepared):
        event(logger, "train.reused", run=config.run.name, export=config.export)
        return _result(config, storage, started, reused=True)
    check_output(config)
    with ray_session(storages=_storages(config), inputs=_inputs(config)):
        config = resolve(config, cluster_resources())
        done = check_resume(config, prepared, storage)
        steps = total_steps(config, prepared)
        event(
            logger,
            "train.start",
            run=config.run.name,
            steps=steps,
            done=done,
            packs=prepared.packs,
            workers=config.scaling.workers,
            dtype=config.engine.dtype,
            zero_stage=config.engine.zero_stage,
        )
        storage.write("run.json", json.dumps(run_record(config), indent=2).encode())
        title = f"Training run {config.run.name}"
        failure: str | None = "interrupted"
        try:
            with followed(storage, config.run.name, steps):
                fit(config)
            failure = None
        except TrainingError as error:
            failure = str(error)
            raise
        finally:
            _draw_report(storage, title, failure)
    result = _result(config, storage, started)
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


def _storages(config: StageConfig) -> list[str | Path]:
    """Where workers write what the driver and other workers read while the run goes on."""
    return [config.run.location]


def _inputs(config: StageConfig) -> list[Path]:
    """What every worker reads, and where any of them may have to export: a place on one node alone would lose that."""
    directories = [config.model, config.data.directory]
    if config.evaluation is not None:
        directories.append(config.evaluation.directory)
    if config.export is not None:
        directories.append(next(place for place in config.export.parents if place.exists()))
    return directories


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
    if isinstance(workers, int):
        complaint = indivisible(config.data.packs_per_step, workers)
        if complaint:
            raise TrainingError(complaint)
    use_gpu = resolve_use_gpu(config.scaling, resources)
    dtype = config.engine.dtype
    if dtype == "auto":
        dtype = "bfloat16" if use_gpu else "float32"
    scaling = config.scaling.model_copy(update={"workers": workers, "use_gpu": use_gpu})
    return _with_dtype(config.model_copy(update={"scaling": scaling}), dtype)


def check_resume(config: StageConfig, prepared: PreparedData, storage: Storage) -> int:
    """Look at the newest checkpoint before workers are started: the steps that it holds, 0 where there is none.

    Raises TrainingError, naming both values, when it belongs to another run. Settings that may change, such as the
    learning rate, are told in one event.
    """
    checkpoint = store.newest(storage)
    if checkpoint is None:
        return 0
    checkpoint.require(RunIdentity.of(config, prepared))
    changes = checkpoint.changes(config)
    if changes:
        told = ", ".join(f"{name} from {old} to {new}" for name, (old, new) in changes.items())
        event(logger, "train.settings_changed", run=config.run.name, since_step=checkpoint.step, changes=told)
    return checkpoint.step


def _draw_report(storage: Storage, title: str, failure: str | None) -> None:
    """Write the report. Where storage fails too, the run's own failure is what must be told."""
    try:
        write_report(storage, title, failure)
    except OutputError as error:
        if failure is None:
            raise
        event(logger, "train.no_report", error=error)


def _with_dtype(config: StageConfig, dtype: str) -> StageConfig:
    return config.model_copy(update={"engine": config.engine.model_copy(update={"dtype": dtype})})


def _result(config: StageConfig, storage: Storage, started: float, reused: bool = False) -> TrainResult:
    metrics = read_metrics(storage)
    return TrainResult(
        export=config.export,
        report=storage.place(REPORT_FILE),
        first_loss=metrics[0].loss if metrics else float("nan"),
        last_loss=metrics[-1].loss if metrics else float("nan"),
        steps=metrics[-1].step if metrics else 0,
        seconds=time.monotonic() - started,
        reused=reused,
    )
