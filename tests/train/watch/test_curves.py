import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.train.watch.curves import binned_means, smoothed, thinned

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200).map(np.array)


@given(VALUES, st.integers(2, 60))
def test_a_thinned_curve_keeps_its_spikes(values: np.ndarray, points: int) -> None:
    steps, kept = thinned(np.arange(len(values), dtype=float), values, points)
    assert len(kept) <= points
    assert (kept.min(), kept.max()) == (values.min(), values.max())
    assert np.all(np.diff(steps) > 0)
    np.testing.assert_array_equal(values[steps.astype(int)], kept)
    if len(values) <= points:
        np.testing.assert_array_equal(kept, values)


def test_what_is_not_finite_is_not_drawn() -> None:
    steps, kept = thinned(np.arange(4.0), np.array([1.0, np.nan, 3.0, np.inf]), 100)
    assert steps.tolist() == [0, 2]
    assert kept.tolist() == [1, 3]


@given(VALUES, st.integers(1, 30))
def test_smoothing_is_the_mean_around_each_value(values: np.ndarray, width: int) -> None:
    expected = [values[max(0, i - width // 2) : i + (width + 1) // 2].mean() for i in range(len(values))]
    assert smoothed(values, width) == pytest.approx(expected, abs=1e-6)


def test_binned_means() -> None:
    assert binned_means(np.arange(6.0), 3).tolist() == [0.5, 2.5, 4.5]
    assert binned_means(np.arange(2.0), 3).tolist() == [0, 1]
