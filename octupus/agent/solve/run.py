"""Annotating as a Ray job: actors solve, this process writes a file for each query as it ends."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from pydantic import SecretStr

from octupus.agent.solve.annotate_config import AnnotateConfig
from octupus.agent.solve.annotate_output import (
    ANSWERS,
    FAILED,
    AnnotateError,
    claim,
    failure_of,
    left_to_solve,
    settings_of,
)
from octupus.agent.solve.annotate_report import SUMMARY, write_summary
from octupus.agent.solve.annotator import Annotated, Annotator
from octupus.agent.solve.answer_format import file_name, write_answer
from octupus.agent.solve.exact_record import from_record
from octupus.agent.solve.queries import Query, read_queries
from octupus.errors import OctupusError
from octupus.ray_session import ray_session
from octupus.telemetry import event, progress, write_run_record

logger = logging.getLogger(__name__)


def annotate(config: AnnotateConfig) -> Path:
    """Solve the queries that have no answer yet; gives the path of the summary.

    Killed at any moment and called again, it goes on with what is left. Raises OctupusError.
    """
    config = config.with_absolute_paths()
    api_key = config.endpoint.api_key()
    queries = read_queries(config.queries)[: config.limit]
    claim(config.output, settings_of(config))
    write_run_record(config.output, config)
    left = left_to_solve(config.output, config.solver.method, queries)
    event(logger, "planned", queries=len(queries), answers=len(queries) - len(left), left_to_solve=len(left))
    failed: dict[str, tuple[str, str]] = {}
    if left:
        with ray_session(config.num_cpus):
            try:
                failed = _Run(config, api_key, left).solve()
            finally:
                # Also of a run that was stopped, the counts are told.
                summary = write_summary(config, queries, failed)
    else:
        summary = write_summary(config, queries, failed)
    names = ("answered", "gave_up", "failed", "requests", "tokens_in", "tokens_out")
    event(logger, "annotated", output=config.output, **{name: summary[name] for name in names})
    if summary["failed"] == len(queries):
        raise AnnotateError(
            f"none of {len(queries)} queries could be solved: {summary['failed_by_reason']}; "
            f"see {config.output / SUMMARY}"
        )
    return config.output / SUMMARY


class _Actor:
    """An annotator in a process of its own."""

    def __init__(self, config: AnnotateConfig, api_key: SecretStr | None) -> None:
        self._config, self._api_key = config, api_key
        self._annotator: Annotator | None = None

    async def open(self) -> None:
        """Start the tools. Not in the constructor, since Ray keeps a constructor's error as text only."""
        if self._annotator is None:
            self._annotator = await Annotator.open(self._config, self._api_key)

    async def annotate(self, query: Query) -> Annotated:
        """Solve a query."""
        await self.open()  # again where Ray had to start the actor anew
        assert self._annotator is not None
        return await self._annotator.annotate(query)

    async def close(self) -> None:
        """End the tools."""
        if self._annotator is not None:
            await self._annotator.close()


class _Run:
    """The part of a run that needs Ray."""

    def __init__(self, config: AnnotateConfig, api_key: SecretStr | None, left: Sequence[Query]) -> None:
        self._config, self._left = config, left
        actor = ray.remote(_Actor).options(
            num_cpus=0.1, max_concurrency=config.concurrency, max_restarts=3, max_task_retries=3
        )
        self._actors = [actor.remote(config, api_key) for _ in range(min(config.actors, len(left)))]
        self._report = _Report(config, len(left))
        self._failed: dict[str, tuple[str, str]] = {}

    def solve(self) -> dict[str, tuple[str, str]]:
        """Solve all; gives reason and detail of the queries that could not be begun, by id."""
        try:
            with _actionable_errors():
                ray.get([actor.open.remote() for actor in self._actors])
                with progress("solving", total=len(self._left)) as bar:
                    for came_back in self._stream():
                        self._keep(came_back)
                        bar.update(bar.task_ids[0], advance=1, note=self._report.note())
                self._report.log()
                ray.get([actor.close.remote() for actor in self._actors])
        finally:
            for actor in self._actors:
                ray.kill(actor)
        return self._failed

    def _stream(self) -> Iterator[Annotated]:
        """What comes back, as soon as it does; each actor has as many queries as it may, and no more."""
        waiting = iter(self._left)
        open_calls: dict[Any, Any] = {}
        for actor in [each for _ in range(self._config.concurrency) for each in self._actors]:
            query = next(waiting, None)
            if query is not None:
                open_calls[actor.annotate.remote(query)] = actor
        while open_calls:
            done, _ = ray.wait(list(open_calls), num_returns=1)
            actor = open_calls.pop(done[0])
            query = next(waiting, None)
            if query is not None:
                open_calls[actor.annotate.remote(query)] = actor
            yield ray.get(done[0])

    def _keep(self, annotated: Annotated) -> None:
        """Write what came of a query. A failure is kept to be read, and is asked again by the next run."""
        method = self._config.solver.method
        failure = self._config.output / FAILED / file_name(annotated.query_id, method)
        if annotated.record is None:
            self._failed[annotated.query_id] = (annotated.failed, annotated.detail)
            self._report.add(annotated.failed, annotated.detail, 0)
            return
        solution = from_record(annotated.record)
        reason = failure_of(solution)
        if reason:
            write_answer(failure.parent, solution)
        else:
            write_answer(self._config.output / ANSWERS, solution)
            failure.unlink(missing_ok=True)
        self._report.add(reason, solution.stopped, solution.tokens_in + solution.tokens_out)


class _Report:
    """What came back in this run, for the log, the bar, and the decision to stop."""

    def __init__(self, config: AnnotateConfig, left: int) -> None:
        self._config, self._left = config, left
        self._started = self._logged = time.monotonic()
        self._numbers: Counter[str] = Counter()
        self._failed_in_a_row = 0

    def add(self, failed: str, detail: str, tokens: int) -> None:
        """Count a query; raises AnnotateError when too many failed one after the other."""
        self._numbers.update({"solved": not failed, "failed": bool(failed), "tokens": tokens})
        self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0
        if self._failed_in_a_row >= self._config.stop_after_failures:
            raise AnnotateError(
                f"{self._failed_in_a_row} queries failed one after the other, the last with {failed}: {detail}; mend "
                "what is wrong and start the same command again: what was solved is kept"
            )
        if time.monotonic() - self._logged >= self._config.report_every_s:
            self.log()

    def log(self) -> None:
        """One line of progress."""
        self._logged = time.monotonic()
        numbers = {name: self._numbers[name] for name in ("solved", "failed", "tokens")}
        left = self._left - self._numbers["solved"] - self._numbers["failed"]
        event(logger, "solved", left_to_solve=left, **numbers, queries_per_minute=self._rate())

    def note(self) -> str:
        """What stands beside the bar."""
        return f"{self._rate():.1f} queries/min, {self._numbers['failed']} failed"

    def _rate(self) -> float:
        return 60 * self._numbers["solved"] / max(time.monotonic() - self._started, 1e-9)


@contextmanager
def _actionable_errors() -> Iterator[None]:
    """What fails in an actor, as the error that a person can act on."""
    try:
        yield
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error.__cause__
        if isinstance(cause, OctupusError):
            raise cause from None
        last_line = str(error).strip().rpartition("\n")[2]
        raise AnnotateError(
            f"solving failed: {last_line}; what was solved is kept, and the same command goes on from there"
        ) from error
