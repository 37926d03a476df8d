"""What a run of schema_coverage.py found, and the tables that show it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table
from schema_corpus import percentile

from octupus.schema.validation import InvalidSchemaError, validator

SLOW = 2.0
"""CPU seconds for compiling a schema, or for one of its instances, from which it counts as slow."""
MOST_REASONS = 12
"""Reasons printed for each backend."""


@dataclass
class Result:
    """What one subject did with all schemas."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Why schemas were refused."""
    causes: Counter[str] = field(default_factory=Counter)
    """Why valid instances were rejected."""
    wrong: list[str] = field(default_factory=list)
    """Invalid instances that could end."""
    disputed: list[str] = field(default_factory=list)
    """The same, but `jsonschema` calls them valid."""
    errors: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    compile_times: list[float] = field(default_factory=list)
    mask_times: list[float] = field(default_factory=list)


def validator_table(cases: list[dict[str, Any]]) -> Table:
    """Verdicts of octupus's validator, file by file, against the expected ones."""
    rows: dict[str, Counter[str]] = {}
    for case in cases:
        row = rows.setdefault(case.get("file", "all of them"), Counter())
        try:
            compiled = validator(case["schema"])
        except InvalidSchemaError:
            row["refused"] += 1
            continue
        row["schemas"] += 1
        for test in case["tests"]:
            agrees = compiled.is_valid(test["data"]) == test["valid"]
            row["as expected" if agrees else "lets pass" if not test["valid"] else "rejects"] += 1
    columns = ["schemas", "refused", "as expected", "lets pass", "rejects"]
    shown = Table("file", *columns, title="octupus.schema.validation: files in which it differs, and all")
    for name, row in sorted(rows.items()):
        if len(rows) > 1 and any(row[column] for column in ("refused", "lets pass", "rejects")):
            shown.add_row(name, *(str(row[column]) for column in columns))
    shown.add_row("all", *(str(sum(row[column] for row in rows.values())) for column in columns))
    return shown


def table(title: str, results: dict[str, Result]) -> Table:
    """One row for each subject."""
    columns = ["tried", "admitted", "refused", "valid", "as written", "in order", "invalid"]
    names = ["wrongly ended", "disputed", "errors", "given up", f"over {SLOW:.0f} s", "compile ms", "mask us"]
    shown = Table("backend", *columns, *names, title=f"{title}; times p50 / p99 / max")
    for name, result in results.items():
        cells = [str(result.counts[column]) for column in columns]
        cells += [str(len(kind)) for kind in (result.wrong, result.disputed, result.errors)]
        cells += [str(result.counts["given up"]), str(len(result.slow))]
        shown.add_row(name, *cells, spread(result.compile_times, 1e3), spread(result.mask_times, 1e6))
    return shown


def spread(times: list[float], scale: float) -> str:
    """Median, 99th percentile and maximum."""
    if not times:
        return "-"
    return " / ".join(f"{percentile(times, share) * scale:.1f}" for share in (0.5, 0.99, 1.0))


def show_details(console: Console, name: str, result: Result, examples: int) -> None:
    """Reasons, causes and examples."""
    for title, counted in (("refused for", result.reasons), ("valid, but rejected for", result.causes)):
        if counted:
            console.print(f"{name}: {title} {dict(counted.most_common(MOST_REASONS))}", markup=False)
    for kind in ("wrong", "disputed", "errors", "slow", "rejected"):
        for line in getattr(result, kind)[:examples]:
            console.print(f"  {kind}: {line}", markup=False)
