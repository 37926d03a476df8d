"""The ancestor's columns, filled with the scores of a run."""

from __future__ import annotations

from octupus.evaluate.bfcl.ancestors import COLUMNS
from octupus.evaluate.bfcl.published import Published, Score
from octupus.evaluate.bfcl.weights import SIMPLE

_CATEGORIES = {
    "Multiple": "multiple",
    "Parallel": "parallel",
    "Parallel Multiple": "parallel_multiple",
    "Live Simple": "live_simple",
    "Live Multiple": "live_multiple",
    "Live Parallel": "live_parallel",
    "Live Parallel Multiple": "live_parallel_multiple",
    "Base": "multi_turn_base",
    "Miss Func": "multi_turn_miss_func",
    "Miss Param": "multi_turn_miss_param",
    "Long Context": "multi_turn_long_context",
    "Relevance": "live_relevance",
}
_PARTS = {
    "Non-Live AST": "Non-Live AST",
    "Live": "Live AST",
    "Multi Turn": "Multi Turn",
    "Irrelevance": "Irrelevance",
}


def row(run: Published) -> tuple[float | None, ...]:
    """Percent in the order of COLUMNS; None where nothing of a column was run."""
    return tuple(None if (value := _value(run, column)) is None else 100 * value for column in COLUMNS)


def _value(run: Published, column: str) -> float | None:
    if column == "Overall":
        return run.overall.value
    if column == "Simple":
        simple = [run.categories[name].value for name in SIMPLE if name in run.categories]
        return sum(simple) / len(simple) if simple else None
    scores, name = (run.parts, _PARTS[column]) if column in _PARTS else (run.categories, _CATEGORIES[column])
    return scores[name].value if name in scores else None


def percent(score: Score) -> str:
    """A score with its interval, such as `81.25 (76.5 to 85.8)`."""
    return f"{100 * score.value:.2f} ({100 * score.low:.2f} to {100 * score.high:.2f})"


def shown(value: float | None) -> str:
    """A cell of a table; a dash where there is nothing."""
    return "-" if value is None else f"{value:.2f}"
