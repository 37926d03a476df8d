"""What the harness wrote of each item, and what of it is no answer of the model.

The harness turns whatever goes wrong into a result text. An endpoint that is down thereby scores 100 % where calling
nothing is right, so results are looked at before any score is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octupus.evaluate.bfcl.categories import CATEGORIES
from octupus.schema.validation import InvalidJsonError, parse_arguments

FAILED = "Error during inference"
"""How the harness begins the result of an item whose request failed."""


@dataclass(frozen=True)
class Result:
    """One item's answer. Its numbers are sums over all requests that it took."""

    id: str
    category: str
    value: Any
    """Text, or calls as {name: arguments as JSON text}; of several turns, lists of these by turn and step."""
    error: str | None
    """What the harness said of a request that failed."""
    requests: int
    input_tokens: int
    output_tokens: int
    latency_s: float

    @property
    def unreadable(self) -> str | None:
        """The first call whose arguments are no JSON object, which the harness takes for no call; None if all are."""
        for name, arguments in _calls(self.value):
            try:
                parse_arguments(arguments)
            except InvalidJsonError as error:
                return f"{name}: {error}"
        return None


@dataclass(frozen=True)
class Faults:
    """Why results say less of the model than they seem to; each by item, with what was seen."""

    failed: Mapping[str, str]
    """Requests that failed."""
    unreadable: Mapping[str, str]
    """Calls whose arguments are no JSON."""
    missing: Sequence[str]
    """Items without a result."""


def read_results(root: Path) -> dict[str, Result]:
    """All scored items' results by id, below a project root of the harness; a line that was cut off is left out."""
    results: dict[str, Result] = {}
    for file in _files(root):
        for line in file.read_text(encoding="utf-8").splitlines():
            result = _parsed(line)
            if result is not None and result.category in CATEGORIES:
                results[result.id] = result
    return results


def discard_failed(root: Path) -> int:
    """Take failed and cut-off results out, so that the harness asks for them again; how many those were."""
    discarded = 0
    for file in _files(root):
        lines = file.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if (result := _parsed(line)) is not None and result.error is None]
        if len(kept) < len(lines):
            discarded += len(lines) - len(kept)
            partial = file.with_suffix(".partial")
            partial.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
            partial.replace(file)
    return discarded


def faults_of(results: Mapping[str, Result], wanted: Mapping[str, Sequence[str] | None]) -> Faults:
    """`wanted` are the run's ids by category, None where all of a category are wanted."""
    missing: list[str] = []
    for category, ids in wanted.items():
        if ids is None:
            there = sum(result.category == category for result in results.values())
            missing += [f"{category} ({there} of {CATEGORIES[category].items})"] * (CATEGORIES[category].items - there)
        else:
            missing += [item_id for item_id in ids if item_id not in results]
    return Faults(
        failed={result.id: result.error for result in results.values() if result.error is not None},
        unreadable={id: text for id, result in results.items() if (text := result.unreadable) is not None},
        missing=missing,
    )


def _files(root: Path) -> list[Path]:
    return sorted((root / "result").glob("**/*_result.json"))


def _parsed(line: str) -> Result | None:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return None
    value = row["result"]
    failed = isinstance(value, str) and value.startswith(FAILED) and "traceback" in row
    latencies = list(_leaves(row.get("latency", ())))
    return Result(
        id=row["id"],
        category=row["id"].rpartition("_")[0],
        value=value,
        error=value.removeprefix(FAILED).removeprefix(": ") if failed else None,
        requests=len(latencies),
        input_tokens=int(sum(_leaves(row.get("input_token_count", ())))),
        output_tokens=int(sum(_leaves(row.get("output_token_count", ())))),
        latency_s=sum(latencies),
    )


def _leaves(value: Any) -> Iterator[float]:
    if isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    elif value is not None:
        yield float(value)


def _calls(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        yield from ((name, arguments) for name, arguments in value.items() if isinstance(arguments, str))
    elif isinstance(value, list):
        for part in value:
            yield from _calls(part)
