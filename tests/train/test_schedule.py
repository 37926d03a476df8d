from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.train.schedule import cosine_with_min_lr


@given(st.integers(2, 500), st.integers(0, 100), st.floats(0, 1))
def test_rises_to_lr_then_falls_to_min_lr(steps: int, warmup: int, ratio: float) -> None:
    lr, min_lr = 2e-5, 2e-5 * ratio
    rates = [cosine_with_min_lr(step, steps, lr, min_lr, warmup) for step in range(steps)]
    assert all(0 <= rate <= lr * (1 + 1e-12) for rate in rates)
    rising, falling = rates[: warmup + 1], rates[warmup:]
    assert rising == sorted(rising)
    assert all(later <= earlier + 1e-18 for earlier, later in pairwise(falling))
    if steps > warmup + 1:
        assert max(rates) == pytest.approx(lr)
        assert rates[-1] == pytest.approx(min_lr, abs=1e-12)


def test_half_way_is_the_mean() -> None:
    assert cosine_with_min_lr(50, 101, 3.0, 1.0, 0) == pytest.approx(2.0)
