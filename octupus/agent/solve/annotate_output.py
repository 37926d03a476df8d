"""What a run of annotating leaves and the next one finds: a file for each query, so that nothing is asked twice."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octupus.agent.solve.annotate_config import AnnotateConfig
from octupus.agent.solve.answer_format import file_name, read_answer
from octupus.agent.solve.queries import Query
from octupus.agent.solve.tree import Solution
from octupus.agent.tools.status import Status
from octupus.config import changed_settings
from octupus.errors import OctupusError
from octupus.telemetry import write_json

ANSWERS, FAILED, SETTINGS = "answers", "failed", "settings.json"


class AnnotateError(OctupusError):
    """The output belongs to other settings, or nothing could be solved."""


def settings_of(config: AnnotateConfig) -> dict[str, Any]:
    """What the answers depend on, flat, by the configuration's names. Where and how fast is asked may change."""
    chosen = config.model_dump(mode="json", include={"tools", "model", "retriever_url", "top_k"})
    solver = {f"solver.{name}": value for name, value in config.solver.model_dump(mode="json").items()}
    sampling = {f"sampling.{name}": value for name, value in config.sampling.model_dump(mode="json").items()}
    queries = {"queries_sha256": hashlib.sha256(config.queries.read_bytes()).hexdigest()}
    return {**queries, **chosen, **solver, **sampling, "endpoint.extra_body": config.endpoint.extra_body}


def claim(output: Path, settings: dict[str, Any]) -> None:
    """Make a directory this run's own. Raises AnnotateError when it holds anything but answers to these settings."""
    if output.exists() and not output.is_dir():
        raise AnnotateError(f"output {output} is a file; choose a directory")
    path = output / SETTINGS
    if not path.exists():
        if output.is_dir() and any(output.iterdir()):
            raise AnnotateError(f"output {output} exists and has no {SETTINGS}; choose another directory, or remove it")
        write_json(path, settings)
        return
    try:
        recorded = json.loads(path.read_bytes())
    except ValueError as error:
        raise AnnotateError(f"{path} is no JSON: {error}; choose another output") from error
    changed = changed_settings(recorded, settings)
    if changed:
        raise AnnotateError(
            f"{output} holds answers to other settings: {'; '.join(changed)}; "
            "choose another output, or take the settings back"
        )


def left_to_solve(output: Path, method: str, queries: Sequence[Query]) -> list[Query]:
    """The queries that have no answer yet. One that failed is asked again."""
    return [query for query in queries if not (output / ANSWERS / file_name(query.id, method)).exists()]


def kept_solutions(output: Path, method: str, queries: Sequence[Query]) -> Iterator[tuple[Query, Solution | None]]:
    """Each query with what its last run left; None where that was nothing. Raises CorpusError."""
    for query in queries:
        name = file_name(query.id, method)
        paths = [output / folder / name for folder in (ANSWERS, FAILED)]
        found = next((path for path in paths if path.exists()), None)
        yield query, None if found is None else read_answer(found)


def failure_of(solution: Solution) -> str:
    """Why a query must be asked again; empty when it need not."""
    return solution.stopped.partition(": ")[2] if solution.stopped.startswith("endpoint: ") else ""


@dataclass
class Totals:
    """Counts over queries: each is in exactly one of `ended`, and failures are told by reason."""

    queries: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    """answered, gave_up, query_budget, token_budget, pruned or failed."""
    failed: Counter[str] = field(default_factory=Counter)
    pruned_nodes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    """Calls that were made, by what became of them."""
    retries: Counter[str] = field(default_factory=Counter)
    numbers: Counter[str] = field(default_factory=Counter)
    """requests, tokens_in, tokens_out, messages, and calls that were made or not."""

    def add(self, solution: Solution | None, reason: str = "") -> None:
        """Count a query; without a solution it failed for `reason`."""
        self.queries += 1
        reason = failure_of(solution) if solution is not None else reason
        self.ended["failed" if reason else end_of(solution)] += 1
        if reason:
            self.failed[reason] += 1
        if solution is None:
            return
        self.retries.update(solution.retries)
        counts = {
            "requests": solution.query_count,
            "tokens_in": solution.tokens_in,
            "tokens_out": solution.tokens_out,
            "votes": len(solution.votes),
        }
        self.numbers.update(counts)
        for node in solution.nodes:
            self.numbers["messages"] += not node.failure
            if node.pruned:
                self.pruned_nodes[node.why_pruned] += 1
            for made in node.made:
                self.numbers["calls" if made.ran else "calls_not_made"] += 1
                if made.ran:
                    self.statuses[made.status.name] += 1

    def to_json(self) -> dict[str, Any]:
        """The counts as summary.json has them."""
        return {
            "queries": self.queries,
            **{name: self.ended[name] for name in ENDS},
            "failed_by_reason": dict(sorted(self.failed.items())),
            **{name: self.numbers[name] for name in NUMBERS},
            "calls_by_status": {
                status.name: self.statuses[status.name] for status in Status if self.statuses[status.name]
            },
            "pruned_by_reason": dict(sorted(self.pruned_nodes.items())),
            "retries": dict(sorted(self.retries.items())),
        }


ENDS = ("answered", "gave_up", "query_budget", "token_budget", "pruned", "failed")
NUMBERS = ("requests", "tokens_in", "tokens_out", "messages", "votes", "calls", "calls_not_made")


def end_of(solution: Solution | None) -> str:
    """How solving ended, where the endpoint did not fail."""
    if solution is None:
        return "failed"
    if solution.win:
        return "answered"
    if solution.stopped:
        return solution.stopped
    final = solution.final
    return "gave_up" if final is not None and final.terminal else "pruned"
