"""Which items are right, by the harness's own verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octupus.errors import EvaluationError
from octupus.evaluate.bfcl.categories import CATEGORIES
from octupus.evaluate.bfcl.results import Result


@dataclass(frozen=True)
class Outcome:
    """One item's verdict. `verdict` is the harness's own record of a wrong one, empty of a right one."""

    id: str
    category: str
    right: bool
    verdict: Mapping[str, Any] = field(default_factory=dict)


def read_outcomes(root: Path, categories: Iterable[str], results: Mapping[str, Result]) -> list[Outcome]:
    """The verdicts below a project root of the harness, in the benchmark's order.

    Raises EvaluationError where a category has no verdicts, or others than the results that are there.
    """
    outcomes: list[Outcome] = []
    for category in categories:
        ids = [result.id for result in results.values() if result.category == category]
        outcomes += _read_category(root, category, ids)
    return outcomes


def _read_category(root: Path, category: str, ids: list[str]) -> list[Outcome]:
    pattern = f"{CATEGORIES[category].group}/**/BFCL_v4_{category}_score.json"
    files = list((root / "score").glob(f"*/{pattern}"))
    if len(files) != 1:
        raise EvaluationError(f"the harness wrote {len(files)} score files of {category}, expected one; see its log")
    header, *wrong = [json.loads(line) for line in files[0].read_text(encoding="utf-8").splitlines()]
    verdicts = {entry["id"]: entry for entry in wrong}
    right = [item_id for item_id in ids if item_id not in verdicts]
    counted = (header["correct_count"], header["total_count"])
    if counted != (len(right), len(ids)) or not verdicts.keys() <= set(ids):
        raise EvaluationError(
            f"{files[0]}: the harness counts {counted[0]} of {counted[1]} right, its files hold {len(right)} of "
            f"{len(ids)}; the run directory was changed from outside: begin another one"
        )
    return [Outcome(item_id, category, item_id not in verdicts, verdicts.get(item_id, {})) for item_id in ids]
