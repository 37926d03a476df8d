"""Exact and near duplicates, against comparing all pairs and against datasketch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from random import Random

import datasketch
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.data.dedup import exact_duplicates, hash_order, join, near_duplicates
from octupus.data.minhash import EMPTY_BAND, MinHasher, text_similarity, tokens

Bands = npt.NDArray[np.uint64]
Matrix = npt.NDArray[np.float64]

# Ids end in bytes that numpy's S type would not show, and many start equal.
ids = st.lists(
    st.tuples(st.sampled_from([b"\0", b"a"]), st.integers(0, 9)).map(lambda pair: pair[0] * 31 + bytes([pair[1]])),
    max_size=30,
)


@given(ids)
def test_exact_duplicates_in_both_forms(identities: list[bytes]) -> None:
    expected = [identities.index(identity) for identity in identities]
    numbers = np.frombuffer(b"".join(identities), np.uint8).reshape(-1, 32)
    for given_ids in (numbers, np.array(identities, "S32")):
        assert exact_duplicates(given_ids).tolist() == expected
        assert [identities[place] for place in hash_order(given_ids)] == sorted(identities)


def lookup(matrix: Matrix) -> Callable[[npt.NDArray[np.int64]], Matrix]:
    def similarity(pairs: npt.NDArray[np.int64]) -> Matrix:
        assert (pairs[:, 0] < pairs[:, 1]).all()
        return matrix[pairs[:, 0], pairs[:, 1]]

    return similarity


def by_all_pairs(bands: Bands, matrix: Matrix, threshold: float) -> list[int]:
    """Connected components, worked out in the plainest way."""
    labels = list(range(len(bands)))
    for left, right in combinations(range(len(bands)), 2):
        shared = bool(((bands[left] == bands[right]) & (bands[left] != EMPTY_BAND)).any())
        if shared and matrix[left, right] >= threshold:
            low, high = sorted((labels[left], labels[right]))
            labels = [low if label == high else label for label in labels]
    return labels


@st.composite
def banded(draw: st.DrawFn) -> tuple[Bands, Matrix]:
    """Rows with few different band values, and similarities that need not be transitive."""
    rows, width = draw(st.integers(0, 25)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    bands = random.integers(0, draw(st.integers(1, 12)), (rows, width)).astype(np.uint64)
    bands[bands == 0] = EMPTY_BAND
    matrix = random.random((rows, rows))
    return bands, np.maximum(matrix, matrix.T)


@given(banded(), st.sampled_from([0.0, 0.5, 0.8, 0.95, 2.0]))
@settings(deadline=None, max_examples=300)
def test_clusters_are_those_of_all_pairs_that_share_a_band(data: tuple[Bands, Matrix], threshold: float) -> None:
    bands, matrix = data
    labels = near_duplicates(bands, lookup(matrix), threshold)
    assert labels.dtype == np.int64
    assert labels.tolist() == by_all_pairs(bands, matrix, threshold)
    kept = np.flatnonzero(labels == np.arange(len(labels)))
    again = near_duplicates(bands[kept], lookup(matrix[np.ix_(kept, kept)]), threshold)
    assert again.tolist() == list(range(len(kept)))


@given(banded(), st.integers(0, 2**32), st.integers(1, 4))
@settings(deadline=None, max_examples=300)
def test_the_order_of_rows_and_bands_does_not_matter(data: tuple[Bands, Matrix], seed: int, leaders: int) -> None:
    """Also where leaders run out. Rows with equal bands could be told apart by nothing but their order."""
    bands, matrix = data
    _, distinct = np.unique(np.sort(bands, axis=1), axis=0, return_index=True)
    bands, matrix = bands[distinct], matrix[np.ix_(distinct, distinct)]
    random = np.random.default_rng(seed)
    rows, columns = random.permutation(len(bands)), random.permutation(bands.shape[1])
    # A value of one band means nothing in another, so bands are told apart before they change places.
    bands = np.where(bands == EMPTY_BAND, EMPTY_BAND, bands * np.uint64(8) + np.arange(bands.shape[1], dtype=np.uint64))
    labels = near_duplicates(bands, lookup(matrix), 0.8, leaders)
    other = near_duplicates(bands[np.ix_(rows, columns)], lookup(matrix[np.ix_(rows, rows)]), 0.8, leaders)
    assert clusters(labels.tolist()) == clusters(other.tolist(), rows.tolist())


def clusters(labels: list[int], names: list[int] | None = None) -> set[frozenset[int]]:
    """The clusters as sets, after checking that each is called by its earliest position."""
    members: dict[int, list[int]] = {}
    for position, label in enumerate(labels):
        members.setdefault(label, []).append(position)
    assert all(min(group) == label for label, group in members.items())
    return {frozenset(names[place] if names else place for place in group) for group in members.values()}


@given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=60))
def test_join(count: int, edges: list[tuple[int, int]]) -> None:
    edges = [(left % count, right % count) for left, right in edges]
    labels = np.arange(count)
    half = len(edges) // 2
    for part in (edges[:half], edges[half:]):
        join(labels, *np.array(part, np.int64).reshape(-1, 2).T)
    expected = list(range(count))
    for left, right in edges:
        low, high = sorted((expected[left], expected[right]))
        expected = [low if label == high else label for label in expected]
    assert labels.tolist() == expected


def counted(bands: Bands, matrix_of: Callable[[npt.NDArray[np.int64]], Matrix], **options: int) -> tuple[set[int], int]:
    """The clusters' names and how many comparisons were made."""
    comparisons = 0

    def similarity(pairs: npt.NDArray[np.int64]) -> Matrix:
        nonlocal comparisons
        comparisons += len(pairs)
        return matrix_of(pairs)

    return set(near_duplicates(bands, similarity, 0.8, **options).tolist()), comparisons


def test_a_long_run_costs_its_length() -> None:
    count = 10_000
    same = np.zeros((count, 18), np.uint64)
    assert counted(same, lambda pairs: np.ones(len(pairs))) == ({0}, count - 1)
    # Three unlike outliers in it are each compared with all others.
    outliers = lambda pairs: (~np.isin(pairs, [7, 8, 9]).any(axis=1)).astype(float)  # noqa: E731
    names, comparisons = counted(same, outliers)
    assert names == {0, 7, 8, 9}
    assert comparisons < 5 * count
    names, comparisons = counted(same, lambda pairs: np.zeros(len(pairs)), leaders=10)
    assert len(names) == count
    assert comparisons <= 10 * count


def variants(random: Random) -> list[str]:
    """Families of texts: copies with few changed words (J > .95), with a fifth changed (J < .4), and some between."""
    texts = []
    for _ in range(40):
        original = [f"w{random.randrange(3000)}" for _ in range(400)]
        for changes in (0, 1, 1, 30, 80, 80):
            changed = list(original)
            for place in random.sample(range(400), changes):
                changed[place] = f"w{random.randrange(3000)}"
            texts.append(" ".join(changed))
    random.shuffle(texts)
    return texts


def datasketch_clusters(texts: list[str], hasher: MinHasher, threshold: float) -> set[frozenset[int]]:
    index = datasketch.MinHashLSH(
        threshold=threshold, num_perm=hasher.permutations, params=(hasher.band_count, hasher.rows)
    )
    labels = list(range(len(texts)))
    exact = text_similarity(texts.__getitem__)
    for position, text in enumerate(texts):
        found = tokens(text)
        sketch = datasketch.MinHash(num_perm=hasher.permutations)
        sketch.update_batch([" ".join(found[start : start + 5]).encode() for start in range(len(found) - 4)])
        candidates = np.array([[other, position] for other in index.query(sketch)], np.int64).reshape(-1, 2)
        for other in candidates[exact(candidates) >= threshold, 0].tolist():
            low, high = sorted((labels[other], labels[position]))
            labels = [low if label == high else label for label in labels]
        index.insert(position, sketch)
    return clusters(labels)


def test_clusters_equal_those_of_datasketch() -> None:
    texts = variants(Random(3))
    hasher = MinHasher()
    labels = near_duplicates(hasher.bands(hasher.signatures(texts)), text_similarity(texts.__getitem__))
    found = clusters(labels.tolist())
    assert found == datasketch_clusters(texts, hasher, 0.8)
    assert sorted(map(len, found)) == [1] * 120 + [3] * 40


@pytest.mark.parametrize("threshold", [0.5, 0.7])
def test_as_many_pairs_between_as_datasketch(threshold: float) -> None:
    """Below the curve's knee the two find different pairs, but as many."""
    random = Random(4)
    texts = []
    for _ in range(300):
        original = [f"w{random.randrange(3000)}" for _ in range(100)]
        changed = list(original)
        for place in random.sample(range(100), 4):
            changed[place] = f"w{random.randrange(3000)}"
        texts += [" ".join(original), " ".join(changed)]
    hasher = MinHasher()
    labels = near_duplicates(hasher.bands(hasher.signatures(texts)), text_similarity(texts.__getitem__), threshold)
    ours, theirs = len(set(labels.tolist())), len(datasketch_clusters(texts, hasher, threshold))
    assert abs(ours - theirs) < 4 * np.sqrt(2 * 300 * 0.25)
