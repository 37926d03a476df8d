"""One run: plan against the ledger, ask what is left through Ray Data, write the files."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
import ray.data
import ray.data.exceptions
from pydantic import SecretStr

from octupus.data.reanswer.asker import Asker
from octupus.data.reanswer.config import ReanswerConfig
from octupus.data.reanswer.ledger import LEDGER, LedgerError, check_settings, read_index, settings_of
from octupus.data.reanswer.prompts import PromptSource
from octupus.data.reanswer.recorder import Recorder
from octupus.data.reanswer.source import format_of, input_sha256, pending
from octupus.data.reanswer.teacher import TeacherError
from octupus.data.reanswer.vllm_teacher import engine_environment
from octupus.data.reanswer.write import SUMMARY, write_answers
from octupus.errors import ConfigError, OctupusError
from octupus.ray_session import ray_session
from octupus.telemetry import event, progress

logger = logging.getLogger(__name__)

# Some ten to a hundred prompts: so that all actors soon have some, and what comes back is soon seen.
BLOCK_BYTES = 32 * 1024


def reanswer(config: ReanswerConfig) -> Path:
    """Ask what has no answer yet and write all answers; gives the path of the summary.

    Killed at any moment and called again, it goes on where the ledger ends. Raises OctupusError.
    """
    config = config.model_copy(update={"input": config.input.absolute(), "output": config.output.absolute()})
    api_key = config.endpoint.api_key() if config.teacher == "endpoint" else None
    ledger = config.output / LEDGER
    _refuse_foreign(config.output)
    _refuse_missing_model(config)
    form = format_of(config)
    settings = settings_of(config, form, input_sha256(config))
    check_settings(ledger, settings)
    index = read_index(ledger)
    left = sum(1 for _ in pending(config, form, index))
    event(logger, "planned", input=config.input, format=form, answers=index.totals.answers, left_to_ask=left)
    if left:
        config.output.mkdir(parents=True, exist_ok=True)
        with ray_session(config.num_cpus):
            _Run(config, form, settings, api_key).ask(left)
        index = read_index(ledger)
    summary = write_answers(config, form, index, settings)
    counts = summary["conversations"]
    names = ("tokens_in", "tokens_out", "seconds", "answers_per_second")
    event(
        logger,
        "reanswered",
        output=config.output,
        **{"in": counts["in"], "answered": counts["answered"]},
        skipped=sum(counts["skipped"].values()),
        failed=sum(counts["failed"].values()),
        **{name: summary[name] for name in names},
    )
    if not counts["answered"]:
        raise TeacherError(
            f"none of {counts['in']} conversations was answered: skipped {counts['skipped']}, "
            f"failed {counts['failed']}; see {config.output / SUMMARY}"
        )
    return config.output / SUMMARY


class _Run:
    """The part of a run that needs Ray."""

    def __init__(self, config: ReanswerConfig, form: str, settings: dict[str, Any], api_key: SecretStr | None) -> None:
        self._config, self._form, self._settings, self._api_key = config, form, settings, api_key
        self._on_cpu = not ray.cluster_resources().get("GPU")
        # The ledger and the input are files of this machine, wherever the teachers are.
        self._here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}

    def ask(self, left: int) -> None:
        """Ask everything the ledger leaves open."""
        recorder = (
            ray.remote(Recorder)
            .options(num_cpus=0, label_selector=self._here, max_concurrency=10_000)
            .remote(self._config.output, self._settings)
        )
        try:
            with _actionable_errors(), _streaming_execution():
                ray.get(recorder.open.remote())
                # Read again: an earlier run's last answers may have come while its actors were ending.
                self._stream(recorder, left)
        finally:
            ray.kill(recorder)

    def _stream(self, recorder: Any, left: int) -> None:
        config = self._config
        index = read_index(config.output / LEDGER)
        prompts = ray.data.read_datasource(
            PromptSource(config, self._form, index),
            num_cpus=0,
            override_num_blocks=1,
            label_selector=self._here,
        )
        came_back = prompts.map_batches(
            Asker,
            fn_constructor_args=(_with_absolute_model(config), recorder, self._api_key, self._on_cpu),
            batch_format="pyarrow",
            batch_size=config.concurrency,
            # Two blocks at once, so that the next one's prompts fill the places that the last of a block leaves free.
            compute=ray.data.ActorPoolStrategy(
                size=config.actors,
                max_concurrent_calls_per_actor=2,
                max_tasks_in_flight_per_actor=3,
                enable_true_multi_threading=True,
            ),
            **self._resources(),
        )
        report = _Report(config, left)
        with progress("asking", total=left) as bar:
            for batch in came_back.iter_batches(batch_format="pyarrow", batch_size=None, prefetch_batches=0):
                rows = batch.to_pylist()
                recorder.settle.remote([(row["row"], row["part"]) for row in rows])
                report.add(rows)
                bar.update(bar.task_ids[0], advance=len(rows), note=report.note())
        report.log()

    def _resources(self) -> dict[str, Any]:
        if self._config.teacher == "endpoint":
            return {"num_cpus": 0.1}
        engine = self._config.engine
        size = engine.tensor_parallel_size
        environment = {"runtime_env": {"env_vars": engine_environment(engine, self._on_cpu)}}
        return {"num_cpus": size, **environment} if self._on_cpu else {"num_gpus": size}


class _Report:
    """What came back in this run, for the log, the bar, and the decision to stop."""

    def __init__(self, config: ReanswerConfig, left: int) -> None:
        self._config = config
        self._left = left
        self._started = self._logged = time.monotonic()
        self._numbers: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._failed_in_a_row = 0

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Count rows; raises TeacherError when too many conversations failed one after the other."""
        for row in rows:
            self._numbers["conversations"] += 1
            for name in ("answers", "tokens_in", "tokens_out", "retries"):
                self._numbers[name] += row[name]
            if row["failed"]:
                self._failed[row["failed"]] += 1
                self._failed_in_a_row += 1
            else:
                self._failed_in_a_row = 0
            if self._failed_in_a_row >= self._config.stop_after_failures:
                raise TeacherError(
                    f"{self._failed_in_a_row} conversations failed one after the other, the last with "
                    f"{row['failed']}: {row['detail']}; mend the teacher and start the same command again: "
                    "what was answered is kept"
                )
        if time.monotonic() - self._logged >= self._config.report_every_s:
            self.log()

    def log(self) -> None:
        """One line of progress."""
        self._logged = time.monotonic()
        event(
            logger,
            "asked",
            left_to_ask=self._left - self._numbers["conversations"],
            **{name: self._numbers[name] for name in ("conversations", "answers", "retries")},
            failed=sum(self._failed.values()),
            tokens_in=self._numbers["tokens_in"],
            tokens_out=self._numbers["tokens_out"],
            answers_per_second=self._rate(),
        )

    def note(self) -> str:
        """What stands beside the bar."""
        return f"{self._rate():.1f} answers/s, {sum(self._failed.values())} failed"

    def _rate(self) -> float:
        return self._numbers["answers"] / max(time.monotonic() - self._started, 1e-9)


def _with_absolute_model(config: ReanswerConfig) -> ReanswerConfig:
    """An actor's working directory is another one."""
    is_directory = config.teacher == "engine" and Path(config.model).is_dir()
    return config.model_copy(update={"model": str(Path(config.model).absolute())}) if is_directory else config


def _refuse_missing_model(config: ReanswerConfig) -> None:
    if config.teacher == "engine" and Path(config.model).is_absolute() and not Path(config.model).is_dir():
        raise ConfigError(f"model {config.model} does not exist; name a model directory or a model on Hugging Face")


def _refuse_foreign(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise LedgerError(f"output {output} is a file; choose a directory")
    known = {LEDGER, ".lock"}
    if output.is_dir() and not (output / LEDGER).exists() and {path.name for path in output.iterdir()} - known:
        raise LedgerError(f"output {output} exists and has no {LEDGER}; choose another directory or remove this one")


@contextmanager
def _actionable_errors() -> Iterator[None]:
    """What fails in an actor, as the error that a person can act on."""
    try:
        yield
    except (ray.exceptions.RayError, ray.data.exceptions.SystemException) as error:
        causes = [error, *_causes(error)]
        for cause in causes:
            if isinstance(cause, OctupusError):
                raise cause from None
        # Of an actor that could not start Ray keeps the text alone: a traceback that ends with what was raised.
        texts = [str(cause).strip() for cause in causes if str(cause).strip()]
        last_line = texts[-1].rpartition("\n")[2] if texts else type(error).__name__
        told = last_line.removeprefix(f"{TeacherError.__module__}.{TeacherError.__qualname__}: ")
        raise TeacherError(
            f"the teacher failed: {told}; what was answered is kept, and the same command goes on from there"
        ) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    inner = getattr(error, "cause", None) or error.__cause__
    if isinstance(inner, BaseException):
        yield inner
        yield from _causes(inner)


@contextmanager
def _streaming_execution() -> Iterator[None]:
    """Ray Data set to small blocks in any order and to stay quiet, as it was again afterwards."""
    context = ray.data.DataContext.get_current()
    ray_logger = logging.getLogger("ray.data")
    before = (
        context.execution_options.preserve_order,
        context.enable_progress_bars,
        context.target_max_block_size,
        context.target_min_block_size,
    )
    level = ray_logger.level
    context.execution_options.preserve_order = False  # the ledger knows the order; nothing waits for a slow answer
    context.enable_progress_bars = False
    context.target_max_block_size, context.target_min_block_size = BLOCK_BYTES, 1
    ray_logger.setLevel(logging.CRITICAL)  # what fails is raised, and told once
    try:
        yield
    finally:
        (
            context.execution_options.preserve_order,
            context.enable_progress_bars,
            context.target_max_block_size,
            context.target_min_block_size,
        ) = before
        ray_logger.setLevel(level)
