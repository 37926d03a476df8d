"""How BFCL v4 weighs categories into one number.

Source: `generate_leaderboard_csv` of bfcl-eval 2026.3.23. A category that was not run counts as 0 in the benchmark's
own number; the re-weighted one takes the means and the weights over what was run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from octupus.evaluate.bfcl.categories import CATEGORIES

Accuracies = Mapping[str, NDArray[np.float64]]
"""Accuracy by category, each in [0, 1]; arrays of one shape, so that many samples are weighed at once."""

SIMPLE = ("simple_python", "simple_java", "simple_javascript")
LIVE_AST = ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple")
MULTI_TURN = ("multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param", "multi_turn_long_context")
WEB_SEARCH = ("web_search_base", "web_search_no_snippet")
MEMORY = ("memory_kv", "memory_vector", "memory_rec_sum")
IRRELEVANCE = ("irrelevance", "live_irrelevance")

WEIGHTS = {"Non-Live AST": 0.1, "Live AST": 0.1, "Irrelevance": 0.1, "Multi Turn": 0.3, "Agentic": 0.4}
"""Share of each part of the overall score."""


def parts(accuracies: Accuracies, absent_is_zero: bool) -> dict[str, NDArray[np.float64]]:
    """The parts of WEIGHTS; one of which nothing was run is left out, or 0 with `absent_is_zero`."""

    def of(name: str) -> NDArray[np.float64] | None:
        return accuracies.get(name, _zero(accuracies) if absent_is_zero else None)

    def mean(values: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
        there = [value for value in values if value is not None]
        return np.asarray(np.mean(there, axis=0)) if there else None

    def by_size(names: Sequence[str]) -> NDArray[np.float64] | None:
        there = [(value, CATEGORIES[name].items) for name in names if (value := of(name)) is not None]
        if not there:
            return None
        values, sizes = zip(*there, strict=True)
        return np.asarray(np.average(values, axis=0, weights=sizes))

    def mean_of(names: Sequence[str]) -> NDArray[np.float64] | None:
        return mean([of(name) for name in names])

    found: dict[str, NDArray[np.float64] | None] = {
        "Non-Live AST": mean([mean_of(SIMPLE), of("multiple"), of("parallel"), of("parallel_multiple")]),
        "Live AST": by_size(LIVE_AST),
        "Irrelevance": mean_of(IRRELEVANCE),
        "Multi Turn": mean_of(MULTI_TURN),
        "Agentic": mean([mean_of(WEB_SEARCH), mean_of(MEMORY)]),
    }
    return {name: value for name, value in found.items() if value is not None}


def overall(accuracies: Accuracies) -> NDArray[np.float64]:
    """The benchmark's own number: what was not run counts as 0."""
    return _weighed(parts(accuracies, absent_is_zero=True))


def reweighted(accuracies: Accuracies) -> NDArray[np.float64]:
    """The same over what was run, the weights scaled up to 1; not comparable with the benchmark's own number."""
    return _weighed(parts(accuracies, absent_is_zero=False))


def _weighed(found: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    total = sum(WEIGHTS[name] for name in found)
    return np.asarray(sum(value * (WEIGHTS[name] / total) for name, value in found.items()), np.float64)


def _zero(accuracies: Accuracies) -> NDArray[np.float64]:
    return np.zeros_like(next(iter(accuracies.values())))


NUMBERS: dict[str, Callable[[Accuracies], NDArray[np.float64]]] = {"overall": overall, "reweighted": reweighted}
