"""Packing: properties over many examples."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.data.pack import pack


@given(
    lengths=st.lists(st.integers(1, 100), max_size=200),
    budget=st.integers(100, 400),
    window=st.integers(1, 60),
    seed=st.integers(),
)
@settings(deadline=None)
def test_every_item_once_and_no_pack_over_budget(lengths: list[int], budget: int, window: int, seed: int) -> None:
    packs = pack(lengths, budget, window, seed)
    assert sorted(position for each in packs for position in each) == list(range(len(lengths)))
    assert all(0 < sum(lengths[position] for position in each) <= budget for each in packs)
    assert packs == pack(lengths, budget, window, seed)


@given(lengths=st.lists(st.integers(1, 100), min_size=1, max_size=200), seed=st.integers())
@settings(deadline=None)
def test_at_most_one_pack_is_half_empty(lengths: list[int], seed: int) -> None:
    """Two packs whose contents fit one would have been one."""
    fills = sorted(sum(lengths[position] for position in each) for each in pack(lengths, 100, 200, seed))
    assert len(fills) < 2 or fills[0] + fills[1] > 100


def test_real_lengths_fill_packs() -> None:
    random = Random(0)
    lengths = [min(4096, max(8, int(random.lognormvariate(6.2, 0.9)))) for _ in range(20_000)]
    packs = pack(lengths, 4096, 4096, 1)
    assert sum(lengths) / (4096 * len(packs)) >= 0.995


def test_windows_keep_packs_apart() -> None:
    packs = pack([10] * 100, 1000, 10, 3)
    assert [len(each) for each in packs] == [10] * 10


def test_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="101 does not fit the budget of 100"):
        pack([5, 101], 100, 10, 0)
