import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.evaluate.calls.interval import NORMAL_975, Share


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_bounds_are_the_shares_that_a_score_test_just_admits(counted: tuple[int, int]) -> None:
    count, n = counted
    share = Share(count, n)
    assert share.share is not None
    assert share.interval is not None
    low, high = share.interval
    assert 0 <= low <= share.share <= high <= 1
    for bound in {low, high} - {0.0, 1.0}:
        assert (share.share - bound) ** 2 == pytest.approx(NORMAL_975**2 * bound * (1 - bound) / n, rel=1e-6)
    assert (low == 0) == (count == 0)
    assert (high == 1) == (count == n)


def test_known_values() -> None:
    # R's prop.test(81, 263, correct = FALSE), as in Newcombe, Statistics in Medicine 17 (1998), table I.
    assert Share(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_of_nothing_there_is_no_share() -> None:
    assert Share(0, 0).share is Share(0, 0).interval is None
