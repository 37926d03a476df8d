"""Packing, mixture and deduplication: properties over many examples."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.data.config import MixtureEntry, SourceConfig
from octupus.data.dedup import first_occurrences
from octupus.data.mixture import entries, select
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


def entry(ratio: float, source: str = "a") -> MixtureEntry:
    return MixtureEntry(source=source, ratio=ratio)


ids = st.lists(st.text(min_size=1), unique=True, max_size=60)


@given(ids, st.decimals("0.01", "3.5", places=2), st.integers())
@settings(deadline=None)
def test_ratio_semantics(identities: list[str], ratio: object, seed: int) -> None:
    selected = select(identities, entry(float(str(ratio))), seed)
    hundredths = round(float(str(ratio)) * 100)
    whole, rest = divmod(hundredths, 100)
    count = Counter(position for position, _ in selected)
    assert len(selected) == whole * len(identities) + len(identities) * rest // 100
    assert all(count[position] in (whole, whole + 1) for position in range(len(identities)))
    assert len(set(selected)) == len(selected)


def test_decimal_not_binary_floating_point() -> None:
    assert len(select([str(number) for number in range(100)], entry(0.29), 0)) == 29


@given(st.permutations([f"id {number}" for number in range(12)]), st.integers())
@settings(deadline=None)
def test_the_sample_does_not_depend_on_the_order_of_rows(shuffled: list[str], seed: int) -> None:
    straight = sorted(shuffled)
    chosen = {straight[position] for position, _ in select(straight, entry(0.5), seed)}
    assert {shuffled[position] for position, _ in select(shuffled, entry(0.5), seed)} == chosen


def test_each_entry_has_a_seed_of_its_own() -> None:
    identities = [str(number) for number in range(50)]
    samples = {tuple(select(identities, entry(0.5, source), seed)) for source in "ab" for seed in (1, 2)}
    assert len(samples) == 4


def test_an_empty_mixture_is_each_source_once() -> None:
    sources = [SourceConfig(name="a", path="a.json"), SourceConfig(name="b", path="b.json", split="dev")]
    assert [(each.source, each.split, each.ratio) for each in entries((), sources)] == [
        ("a", "train", 1.0),
        ("b", "dev", 1.0),
    ]


@given(st.lists(st.sampled_from("abc")))
@settings(deadline=None)
def test_the_first_of_duplicates_stays(identities: list[str]) -> None:
    first = first_occurrences(identities)
    assert all(first[position] == identities.index(identity) for position, identity in enumerate(identities))
