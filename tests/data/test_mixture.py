"""What `source:split:ratio` takes, and what is held out: properties of samples of ids."""

from __future__ import annotations

import hashlib
from collections import Counter
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.data.config import MixtureEntry, SourceConfig
from octupus.data.mixture import entries, hold_out, select, shuffled

Ids = npt.NDArray[np.uint8]


def entry(ratio: float, source: str = "a", split: str = "train") -> MixtureEntry:
    return MixtureEntry(source=source, split=split, ratio=ratio)


def made_ids(count: int) -> Ids:
    """Ids as conversations have them."""
    digests = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(count))
    return np.frombuffer(digests, np.uint8).reshape(count, 32)


@given(st.integers(0, 120), st.decimals("0.01", "3.5", places=2), st.integers())
@settings(deadline=None)
def test_ratio_semantics(count: int, ratio: Decimal, seed: int) -> None:
    selected = select(made_ids(count), entry(float(ratio)), seed)
    copies, rest = divmod(int(ratio * 100), 100)
    sample = count * rest // 100
    assert len(selected) == copies * count + sample
    times = Counter(selected.tolist())
    assert all(times[position] in (copies, copies + 1) for position in range(count))
    every = list(range(count))
    assert selected[: copies * count].tolist() == every * copies  # copy after copy
    assert (np.diff(selected[copies * count :]) > 0).all()


@pytest.mark.parametrize(
    ("ratio", "count", "taken"), [(0.29, 100, 29), (0.57, 100, 57), (1.1, 10, 11), (0.04, 25, 1), (0.04, 24, 0)]
)
def test_decimal_not_binary_floating_point(ratio: float, count: int, taken: int) -> None:
    assert len(select(made_ids(count), entry(ratio), 0)) == taken


@given(st.integers(1, 60), st.randoms(use_true_random=False), st.integers())
@settings(deadline=None)
def test_the_sample_does_not_depend_on_the_order_of_rows(count: int, random: object, seed: int) -> None:
    ids = made_ids(count)
    order = np.array(random.sample(range(count), count))  # type: ignore[attr-defined]
    chosen = select(ids, entry(0.5), seed)
    moved = select(ids[order], entry(0.5), seed)
    assert {ids[position].tobytes() for position in chosen} == {ids[order][position].tobytes() for position in moved}


def test_a_larger_ratio_takes_more_of_the_same() -> None:
    samples = [set(select(made_ids(200), entry(ratio), 3).tolist()) for ratio in (0.1, 0.2, 0.5)]
    assert samples[0] < samples[1] < samples[2]


def test_each_entry_and_seed_takes_its_own_sample() -> None:
    ids = made_ids(50)
    samples = {
        tuple(select(ids, entry(0.5, source, split), seed).tolist())
        for source, split in (("a", "train"), ("b", "train"), ("a", "dev"))
        for seed in (1, 2)
    }
    assert len(samples) == 6


def test_samples_are_spread_evenly() -> None:
    """Of 2000 rows half are taken; a quarter of the positions hold a quarter of them, within four deviations."""
    taken = select(made_ids(2000), entry(0.5), 1)
    quarters = np.bincount(taken // 500, minlength=4)
    assert (abs(quarters - 250) < 4 * np.sqrt(500 * 0.25)).all()


def test_an_empty_mixture_is_each_source_once() -> None:
    sources = [SourceConfig(name="a", path="a.json"), SourceConfig(name="b", path="b.json", split="dev")]
    assert [(each.source, each.split, each.ratio) for each in entries((), sources)] == [
        ("a", "train", 1.0),
        ("b", "dev", 1.0),
    ]
    given_entries = [entry(0.5)]
    assert entries(given_entries, sources) == tuple(given_entries)


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(0, 5), st.integers())
@settings(deadline=None)
def test_some_of_each_place_are_held_out(places: list[int], rows: int, seed: int) -> None:
    place = np.array(places, np.int32)
    held = hold_out(made_ids(len(places)), place, rows, seed)
    assert (np.diff(held) > 0).all()
    assert Counter(place[held].tolist()) == Counter(
        {each: min(rows, count) for each, count in Counter(places).items() if rows}
    )


@given(st.integers(1, 80), st.integers(0, 40), st.integers())
@settings(deadline=None)
def test_what_is_held_out_depends_on_ids_alone(count: int, others: int, seed: int) -> None:
    """The same rows stay out though the place has another number and other places stand before it."""
    ids = made_ids(count)
    alone = hold_out(ids, np.zeros(count, np.int32), 3, seed)
    among = hold_out(np.concatenate([made_ids(others), ids]), np.array([0] * others + [5] * count, np.int32), 3, seed)
    assert (among[among >= others] - others).tolist() == alone.tolist()


@given(st.integers(0, 50), st.lists(st.integers() | st.text(), max_size=3))
@settings(deadline=None)
def test_shuffling_keeps_all(count: int, seed: list[int | str]) -> None:
    assert sorted(shuffled(made_ids(count), *seed).tolist()) == list(range(count))
