"""Which rows get which augmentation: decided by hashes of seed, augmentation and id, on compact arrays.

A row's lot depends on nothing else, so neither other rows nor another augmentation's ratio changes it; a higher ratio
takes the same rows and more.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from octupus.data.augment.config import AUGMENTATIONS, AugmentationName, AugmentConfig
from octupus.data.minhash import mixed

JOBS = pa.schema(
    [
        pa.field("augmentation", pa.string(), nullable=False),
        pa.field("position_a", pa.int64(), nullable=False),
        pa.field("position_b", pa.int64(), nullable=False),  # -1 unless two rows are merged
    ]
)

_UInt64s = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The rows to choose from. Every array has shape [n] but `ids`."""

    ids: npt.NDArray[np.uint8]
    """Shape [n, 32]: the conversations' ids, which are sha256."""
    language: npt.NDArray[np.integer]
    """Codes of the languages; which code is which does not matter."""
    applicable: npt.NDArray[np.integer]
    """Bits, as `apply.applicable` gives them; 0 for a row that is not to be augmented."""


def plan(candidates: Candidates, config: AugmentConfig, seed: int) -> pa.Table:
    """The jobs (`JOBS`): by augmentation, then by hash, so their order does not depend on the rows' order.

    Of merge_calls the chosen rows of one language are paired as their hashes lie; a last one without partner stays out.
    """
    words = np.ascontiguousarray(candidates.ids).view(">u8").astype(np.uint64)
    names: list[AugmentationName] = []
    firsts: list[npt.NDArray[np.int64]] = []
    seconds: list[npt.NDArray[np.int64]] = []
    for bit, name in enumerate(AUGMENTATIONS):
        ratio = config.ratio(name)
        if not ratio:
            continue
        lots = _lots(words, name, seed)
        fit = (candidates.applicable >> bit) & 1 == 1
        chosen = np.flatnonzero(fit & (lots < _limit(ratio)) if ratio < 1 else fit)
        ordered = chosen[np.lexsort((*words[chosen].T[::-1], lots[chosen]))]
        if name == "merge_calls":
            first, second = _pairs(ordered, candidates.language)
        else:
            first, second = ordered, np.full(len(ordered), -1)
        names += [name] * len(first)
        firsts.append(first)
        seconds.append(second)
    positions = [np.concatenate([np.empty(0, np.int64), *parts]).astype(np.int64) for parts in (firsts, seconds)]
    return pa.table([pa.array(names, pa.string()), *map(pa.array, positions)], schema=JOBS)


def _pairs(
    ordered: npt.NDArray[np.int64], language: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Neighbours of one language, each row in one pair at most, in order of the first's hash."""
    by_language = ordered[np.argsort(language[ordered], kind="stable")]
    codes = language[by_language]
    starts = np.flatnonzero(np.diff(codes, prepend=codes[:1] - 1)) if len(codes) else np.empty(0, np.int64)
    place = np.arange(len(codes)) - np.repeat(starts, np.diff(np.append(starts, len(codes))))
    # The first of a pair stands on an even place of its language, and the next row is of the same language.
    first = np.flatnonzero((place[:-1] % 2 == 0) & (codes[:-1] == codes[1:]))
    rank = np.empty(len(language), np.int64)
    rank[ordered] = np.arange(len(ordered))
    first = first[np.argsort(rank[by_language[first]], kind="stable")]
    return by_language[first], by_language[first + 1]


def _lots(words: _UInt64s, name: AugmentationName, seed: int) -> _UInt64s:
    """A number of 64 bits for each row, evenly spread: its id, mixed with the seed and the augmentation's name."""
    key = hashlib.sha256(repr((seed, name)).encode()).digest()
    lots = np.zeros(len(words), np.uint64)
    for column in range(2):  # 128 bits of an id tell rows apart
        lots = mixed(lots ^ words[:, column] ^ np.uint64(int.from_bytes(key[8 * column : 8 * column + 8], "big")))
    return lots


def _limit(ratio: float) -> np.uint64:
    return np.uint64(int(ratio * 2**64))
