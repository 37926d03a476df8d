"""BFCL v4's weights, against numbers of the harness's own leaderboard."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.evaluate.bfcl.categories import CATEGORIES, selected
from octupus.evaluate.bfcl.intervals import Count, drawn, interval
from octupus.evaluate.bfcl.weights import WEIGHTS, overall, parts, reweighted


def shares(**values: float) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in values.items()}


def test_what_is_not_run_counts_as_zero_in_the_benchmarks_own_number_alone() -> None:
    all_right = {name: np.asarray(1.0) for name in selected(["non_live", "live", "multi_turn"])}
    assert overall(all_right) == pytest.approx(0.6)
    assert reweighted(all_right) == pytest.approx(1.0)
    # Three quarters of a tenth less for simple, which is a mean of three languages, one of which is run.
    assert overall(shares(simple_python=1.0)) == pytest.approx(0.1 * 0.25 / 3)
    assert reweighted(shares(simple_python=0.5)) == pytest.approx(0.5)


def test_live_is_weighed_by_size_and_the_rest_by_category() -> None:
    found = parts(shares(live_simple=1.0, live_multiple=0.0, multi_turn_base=1.0, multi_turn_miss_func=0.0), False)
    assert found["Live AST"] == pytest.approx(258 / (258 + 1053))
    assert found["Multi Turn"] == pytest.approx(0.5)
    assert set(found) == {"Live AST", "Multi Turn"}


@given(st.dictionaries(st.sampled_from(list(CATEGORIES)), st.floats(0, 1), min_size=1))
def test_numbers_stay_shares_and_a_better_category_never_lowers_them(values: dict[str, float]) -> None:
    accuracies = {name: np.asarray(value) for name, value in values.items()}
    assert 0 <= overall(accuracies) <= 1 + 1e-9
    for name in values:
        better = accuracies | {name: np.asarray(1.0)}
        assert overall(better) >= overall(accuracies) - 1e-9
        scored = name != "live_relevance"  # the benchmark's number leaves it out
        assert scored == (overall(accuracies | {name: np.asarray(0.0)}) < overall(better))
    assert sum(WEIGHTS.values()) == pytest.approx(1)


@given(st.integers(1, 500), st.floats(0, 1))
def test_intervals_hold_the_score_and_shrink_with_more_items(total: int, share: float) -> None:
    right = round(share * total)
    low, high = interval(drawn({"multiple": Count(right, total)})["multiple"])
    assert low <= right / total <= high
    narrow = interval(drawn({"multiple": Count(right * 16, total * 16)})["multiple"])
    assert narrow[1] - narrow[0] <= high - low


def test_intervals_are_as_wide_as_theory_says() -> None:
    low, high = interval(drawn({"multiple": Count(100, 200)})["multiple"])
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.5 / 200**0.5, 0.5 + 1.96 * 0.5 / 200**0.5), abs=0.006)
