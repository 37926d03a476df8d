"""Which rows repeat an earlier one: exactly, by id, or nearly, by the bands of their sketches.

Near duplicates are the connected components of a graph: two rows are joined when they share the value of a band and
are as similar as the threshold. So the result is that of comparing all pairs that share a band, whatever the order of
the rows and bands, and the rows kept have no near duplicate among them. All such pairs would be the square of the
length for a run of rows with one band value; but within a component no more comparison is needed, so of each run only
the rows outside its largest component are compared with the others, one after the other, as leaders: a run of k near
duplicates costs k - 1 comparisons. Rows that share bands and still are unlike, as the fillings of one template may
be, would cost the square yet, therefore a run has at most `leaders` leaders. Longer runs of unlike rows may miss
pairs of this run; leaders are taken in an order made from the bands, so that the choice does not depend on the order
of the rows either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from octupus.data.minhash import EMPTY_BAND, mixed

Positions = npt.NDArray[np.int64]
Similarity = Callable[[Positions], npt.NDArray[np.floating]]
"""Of pairs int64[m, 2], the smaller position first: how similar each two rows are, float[m]."""

_PAIRS_AT_ONCE = 2**16  # bounds the memory of `similarity`


def exact_duplicates(ids: npt.NDArray[np.uint8] | npt.NDArray[np.bytes_]) -> Positions:
    """int64[n] for ids of 32 bytes, uint8[n, 32] or S32[n]: the first position with the same id.

    Equal to itself for what is kept.
    """
    order = hash_order(ids)
    words = _words(ids)
    starts = np.ones(len(order), np.bool_)
    starts[1:] = (words[order[1:]] != words[order[:-1]]).any(axis=1)
    first = np.empty(len(order), np.int64)
    first[order] = order[starts][np.cumsum(starts) - 1]  # the order is stable, so a group starts with its first
    return first


def hash_order(ids: npt.NDArray[np.uint8] | npt.NDArray[np.bytes_]) -> Positions:
    """int64[n]: positions in ascending order of their ids of 32 bytes, as bytes compare; equal ids as they stand."""
    order: Positions = np.lexsort(_words(ids).T[::-1])
    return order


def near_duplicates(
    bands: npt.NDArray[np.uint64], similarity: Similarity, threshold: float = 0.8, leaders: int = 64
) -> Positions:
    """int64[n] for uint64[n, b]: the earliest position of each row's cluster, equal to itself for what is kept.

    A value of `EMPTY_BAND` is shared with no row. `leaders` bounds the comparisons in a run of k rows with one band
    value to k * `leaders`; the result is exact where no run holds more rows outside its largest cluster.
    """
    labels = np.arange(len(bands), dtype=np.int64)
    entries = _shared_bands(bands)
    unlike = np.empty(0, np.int64)  # pairs found to be below the threshold, as first * n + second, ascending
    for _ in range(leaders):
        entries, pairs = entries.next_comparisons(labels)
        if not len(entries.rows):
            break
        pairs = np.setdiff1d(pairs, unlike, assume_unique=True)
        alike = _similar(pairs, len(bands), similarity, threshold)
        unlike = np.union1d(unlike, pairs[~alike])
        join(labels, *np.divmod(pairs[alike], len(bands)))
    return labels


def join(labels: Positions, left: Positions, right: Positions) -> None:
    """Put the components of each left[i] and right[i] together; in place.

    `labels[p]` is the earliest position in the component of p. All unions of a call run at once: each component is
    hooked to the smallest neighbour, and paths are shortened by doubling (Y. Shiloach and U. Vishkin, 1982).
    """
    while True:
        ends = labels[np.stack([left, right])]
        low, high = ends.min(axis=0), ends.max(axis=0)
        apart = low < high
        if not apart.any():
            return
        np.minimum.at(labels, high[apart], low[apart])
        while True:
            further = labels[labels]
            if np.array_equal(further, labels):
                break
            labels[:] = further


@dataclass(frozen=True, slots=True)
class _Entries:
    """Rows in runs that share the value of a band: three arrays of equal length, run by run, each run by key."""

    rows: npt.NDArray[np.int32]
    runs: npt.NDArray[np.int32]
    """Ascending, but with gaps where runs are finished."""
    was_leader: npt.NDArray[np.bool_]

    def next_comparisons(self, labels: Positions) -> tuple[_Entries, Positions]:
        """The entries of runs in which a row may still be unlike all it was compared with, and what to compare next.

        That is each run's next leader with the rows of the run that are in another component, as
        first * n + second, ascending.
        """
        candidates = self._candidates(labels)
        sizes = _sizes(self.runs)
        going_on = np.repeat(np.logical_or.reduceat(candidates, _starts(self.runs)), sizes)
        rows, runs, was_leader = self.rows[going_on], self.runs[going_on], self.was_leader[going_on]
        open_candidates = np.flatnonzero(candidates[going_on])
        leaders = open_candidates[np.searchsorted(open_candidates, _starts(runs))]
        was_leader[leaders] = True
        leader = np.repeat(rows[leaders], _sizes(runs))
        apart = labels[leader] != labels[rows]
        leader, other = leader[apart], rows[apart]
        pairs = np.minimum(leader, other).astype(np.int64) * len(labels) + np.maximum(leader, other)
        return _Entries(rows, runs, was_leader), np.unique(pairs)

    def _candidates(self, labels: Positions) -> npt.NDArray[np.bool_]:
        """bool[entries]: whether a row is outside its run's largest component and was no leader yet."""
        components = self.runs.astype(np.int64) * len(labels) + labels[self.rows]
        order = np.argsort(components, kind="stable")
        starts, sizes = _starts(components[order]), _sizes(components[order])
        runs, earliest = self.runs[order[starts]], order[starts]
        # Of equally large components the one of the earliest entry, which depends on keys alone.
        ranked = np.lexsort((earliest, -sizes, runs))
        outside = np.ones(len(starts), np.bool_)
        outside[ranked[_starts(runs[ranked])]] = False
        candidates = np.empty(len(order), np.bool_)
        candidates[order] = np.repeat(outside, sizes)
        return candidates & ~self.was_leader


def _shared_bands(bands: npt.NDArray[np.uint64]) -> _Entries:
    """The rows of every run of two or more rows with one value in a band."""
    # The same for rows in any order and bands in any order; mixed, since equal sums of plain values are likely.
    keys = np.zeros(len(bands), np.uint64)
    for band in range(bands.shape[1]):
        keys += mixed(bands[:, band])
    by_key = np.argsort(keys, kind="stable")
    rows: list[npt.NDArray[np.int32]] = []
    runs: list[npt.NDArray[np.int32]] = []
    count = 0
    for band in range(bands.shape[1]):
        values = bands[by_key, band]
        order = np.argsort(values, kind="stable")
        values = values[order]
        equal = (values[1:] == values[:-1]) & (values[1:] != EMPTY_BAND)
        before = np.insert(equal, 0, False)[: len(values)]
        after = np.append(equal, False)[: len(values)]
        shared = before | after
        run = np.cumsum(~before[shared], dtype=np.int32)
        rows.append(by_key[order[shared]].astype(np.int32))
        runs.append(run + np.int32(count))
        count += int(run[-1]) if len(run) else 0
    return _Entries(
        np.concatenate([np.empty(0, np.int32), *rows]),
        np.concatenate([np.empty(0, np.int32), *runs]),
        np.zeros(sum(map(len, rows)), np.bool_),
    )


def _similar(pairs: Positions, count: int, similarity: Similarity, threshold: float) -> npt.NDArray[np.bool_]:
    """bool[m]: which of the pairs, given as first * count + second, reach the threshold."""
    alike = np.zeros(len(pairs), np.bool_)
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        part = pairs[start : start + _PAIRS_AT_ONCE]
        alike[start : start + len(part)] = similarity(np.stack(np.divmod(part, count), axis=1)) >= threshold
    return alike


def _starts(values: npt.NDArray[np.integer]) -> Positions:
    """int64[groups]: where each group of equal neighbours begins."""
    return np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])


def _sizes(values: npt.NDArray[np.integer]) -> Positions:
    """int64[groups]: how many are in each group of equal neighbours."""
    return np.diff(_starts(values), append=len(values))


def _words(ids: npt.NDArray[np.uint8] | npt.NDArray[np.bytes_]) -> npt.NDArray[np.uint64]:
    """uint64[n, 4]: ids of 32 bytes as numbers that compare as the bytes do."""
    return np.ascontiguousarray(ids).view(">u8").reshape(-1, 4).astype(np.uint64)
