"""What a run publishes: its scores with their intervals, beside all that they depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from octupus.errors import EvaluationError
from octupus.evaluate.bfcl import categories
from octupus.evaluate.bfcl.intervals import Count, drawn, interval
from octupus.evaluate.bfcl.outcomes import Outcome
from octupus.evaluate.bfcl.results import Faults, Result
from octupus.evaluate.bfcl.weights import NUMBERS, parts
from octupus.telemetry import write_json


@dataclass(frozen=True)
class Score:
    """A share of 1 with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Published:
    """The content of scores.json. Shares are between 0 and 1."""

    measured: Mapping[str, Any]
    """Model, endpoint, API, constraint, versions: what the run directory was begun with."""
    counts: Mapping[str, Count]
    """Right items of all, by category that was run."""
    categories: Mapping[str, Score]
    parts: Mapping[str, Score]
    """Of weights.WEIGHTS, those of which something was run."""
    overall: Score
    """The benchmark's own number; what was not run counts as 0."""
    reweighted: Score
    """The same over what was run."""
    missing: Mapping[str, str]
    """Categories that were not run, each with what it needs beside an endpoint."""
    failed: int
    """Items whose requests failed, which the harness scores all the same."""
    unreadable: int
    """Items with calls whose arguments are no JSON, which the harness takes for no call."""
    absent: int
    """Items without a result."""
    requests: int
    input_tokens: int
    output_tokens: int
    seconds: float
    """Wall time of asking, of all starts of the run."""
    right: Mapping[str, bool]
    """By item."""

    @property
    def in_doubt(self) -> bool:
        """Whether something other than the model's answers is in the scores."""
        return bool(self.failed or self.absent)

    def write(self, path: Path) -> None:
        """Write scores.json."""
        write_json(path, asdict(self))


def published(
    measured: Mapping[str, Any],
    outcomes: Sequence[Outcome],
    results: Mapping[str, Result],
    faults: Faults,
    seconds: float,
) -> Published:
    """Count, weigh and draw."""
    counts: dict[str, Count] = {}
    for outcome in outcomes:
        before = counts.get(outcome.category, Count(0, 0))
        counts[outcome.category] = Count(before.right + outcome.right, before.total + 1)
    exact = {name: np.asarray(count.accuracy) for name, count in counts.items()}
    draws = drawn(counts)
    weighed = {name: Score(float(number(exact)), *interval(number(draws))) for name, number in NUMBERS.items()}
    part_draws = parts(draws, absent_is_zero=False)
    return Published(
        measured=measured,
        counts=counts,
        categories={name: Score(count.accuracy, *interval(draws[name])) for name, count in counts.items()},
        parts={
            name: Score(float(value), *interval(part_draws[name]))
            for name, value in parts(exact, absent_is_zero=False).items()
        },
        overall=weighed["overall"],
        reweighted=weighed["reweighted"],
        missing=categories.missing(counts),
        failed=len(faults.failed),
        unreadable=len(faults.unreadable),
        absent=len(faults.missing),
        requests=sum(result.requests for result in results.values()),
        input_tokens=sum(result.input_tokens for result in results.values()),
        output_tokens=sum(result.output_tokens for result in results.values()),
        seconds=seconds,
        right={outcome.id: outcome.right for outcome in outcomes},
    )


def read_published(path: Path) -> Published:
    """What `Published.write` wrote; `path` is the file or its run directory. Raises EvaluationError."""
    file = path / "scores.json" if path.is_dir() else path
    try:
        return TypeAdapter(Published).validate_json(file.read_bytes())
    except FileNotFoundError as error:
        raise EvaluationError(
            f"{path} has no scores.json: the run is not finished, or its score was refused"
        ) from error
    except ValidationError as error:
        raise EvaluationError(f"{file} is no scores.json of this version of octupus: {error}") from error
