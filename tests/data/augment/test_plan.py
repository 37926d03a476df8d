"""Which rows get which augmentation."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.data.augment.config import AUGMENTATIONS, AugmentConfig
from octupus.data.augment.plan import JOBS, Candidates, plan

ALL = (1 << len(AUGMENTATIONS)) - 1
Jobs = list[tuple[str, int, int]]


def candidates(numbers: list[int], bits: int = ALL) -> Candidates:
    """Rows with ids made from numbers; the language is the number modulo 2."""
    ids = [np.frombuffer(hashlib.sha256(str(number).encode()).digest(), np.uint8) for number in numbers]
    matrix = np.stack(ids) if ids else np.empty((0, 32), np.uint8)
    return Candidates(matrix, np.array(numbers, np.int64) % 2, np.full(len(numbers), bits, np.int64))


def jobs(numbers: list[int], config: AugmentConfig, seed: int = 1) -> Jobs:
    """The plan with numbers for positions."""
    table = plan(candidates(numbers), config, seed)
    assert table.schema == JOBS
    named = [-1, *numbers]
    return [
        (each["augmentation"], named[each["position_a"] + 1], named[each["position_b"] + 1])
        for each in table.to_pylist()
    ]


half = AugmentConfig(**dict.fromkeys(AUGMENTATIONS, 0.5))


@given(numbers=st.lists(st.integers(0, 10_000), unique=True, max_size=60), data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_order_of_rows_does_not_matter(numbers: list[int], data: st.DataObject) -> None:
    assert jobs(numbers, half) == jobs(data.draw(st.permutations(numbers)), half)


@given(numbers=st.lists(st.integers(0, 10_000), unique=True, max_size=60))
@settings(max_examples=40, deadline=None)
def test_other_rows_do_not_matter(numbers: list[int]) -> None:
    some = set(numbers[::2])
    of_some = {job for job in jobs(numbers, half) if job[0] != "merge_calls" and job[1] in some}
    assert of_some == {job for job in jobs(numbers[::2], half) if job[0] != "merge_calls"}


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_ratios(name: str) -> None:
    numbers = list(range(4000))
    chosen = {ratio: jobs(numbers, AugmentConfig.model_validate({name: ratio})) for ratio in (0, 0.1, 0.3, 1)}
    rows = {ratio: {row for _, *pair in made for row in pair if row >= 0} for ratio, made in chosen.items()}
    assert not rows[0]
    assert len(rows[1]) == 4000
    assert abs(len(rows[0.1]) - 400) < 80
    assert abs(len(rows[0.3]) - 1200) < 120
    if name != "merge_calls":
        assert rows[0.1] < rows[0.3]


def test_augmentations_choose_independently_and_by_seed() -> None:
    numbers = list(range(4000))
    chosen = {name: {first for kind, first, _ in jobs(numbers, half) if kind == name} for name in AUGMENTATIONS}
    assert abs(len(chosen["irrelevance"] & chosen["tool_order"]) - 1000) < 150
    assert jobs(numbers, half, 1) != jobs(numbers, half, 2)


def test_merged_rows_are_of_one_language_and_in_one_pair() -> None:
    pairs = [job[1:] for job in jobs(list(range(1001)), AugmentConfig(merge_calls=1.0))]
    assert all(first % 2 == second % 2 for first, second in pairs)
    rows = [row for pair in pairs for row in pair]
    assert len(rows) == len(set(rows)) == 1000


def test_only_applicable_rows() -> None:
    config = AugmentConfig(**dict.fromkeys(AUGMENTATIONS, 1.0))
    table = plan(candidates(list(range(10)), bits=1 << AUGMENTATIONS.index("tool_order")), config, 1)
    assert set(table["augmentation"].to_pylist()) == {"tool_order"}
    assert table["position_b"].to_pylist() == [-1] * 10
    assert plan(candidates([]), config, 1).num_rows == 0
