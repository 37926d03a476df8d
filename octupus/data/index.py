"""What decisions over all rows need, a few hundred bytes a row, in numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from octupus.data.reasons import Reason, Stage

PASSED = -1
REASONS = tuple(Reason)
STAGES = tuple(Stage)

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Names:
    """A list of names for each of n rows, as codes."""

    vocabulary: tuple[str, ...]
    codes: Int64s
    """All rows' codes one behind the other."""
    ends: Int64s
    """Shape [n]: where each row's codes end."""

    def starts(self) -> Int64s:
        """Shape [n]: where each row's codes begin."""
        starts: Int64s = np.concatenate([np.zeros(1, np.int64), self.ends])[:-1]
        return starts

    def lists(self, rows: Int64s) -> tuple[Int64s, Int64s]:
        """Of rows in ascending order the codes one behind the other, where each row's begin and the last one's end."""
        lengths = self.ends - self.starts()
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths[rows])])
        chosen = np.zeros(len(lengths), np.bool_)
        chosen[rows] = True
        return self.codes[np.repeat(chosen, lengths)], offsets

    def counts(self, rows: Int64s) -> dict[str, int]:
        """How often each name occurs in the chosen rows, by name."""
        numbers = np.bincount(self.lists(rows)[0], minlength=len(self.vocabulary))
        return {name: int(number) for name, number in sorted(zip(self.vocabulary, numbers, strict=True)) if number}


@dataclass(frozen=True, slots=True)
class Index:
    """All rows in order of source, row and part. Every array has shape [n] but `ids` [n, 32],
    `bands` [n, b] and `sketch` [n, permutations]."""

    place: Int32s
    row: Int64s
    part: Int32s
    block: Int32s
    offset: Int32s
    stage: npt.NDArray[np.int8]
    """Position in STAGES, or PASSED."""
    reason: npt.NDArray[np.int8]
    """Position in REASONS, or PASSED."""
    ids: npt.NDArray[np.uint8]
    tokens: Int32s
    trained_tokens: Int32s
    kind: Names
    language: Names
    flags: Names
    calls: Names
    augmentations: Int32s
    """Bits of the augmentations that each row is fit for."""
    bands: npt.NDArray[np.uint64]
    sketch: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.place)

    @property
    def passed(self) -> npt.NDArray[np.bool_]:
        """Shape [n]: rows that passed every check of their own."""
        passed: npt.NDArray[np.bool_] = self.reason == PASSED
        return passed


class IndexBuilder:
    """Collects tables of `records.INDEX`, in order; more may follow what is built."""

    def __init__(self) -> None:
        self._columns: dict[str, list[npt.NDArray[Any]]] = {}
        self._words = {name: _Words() for name in ("kind", "language", "flags", "calls")}
        self._codes = {
            "stage": {str(stage): code for code, stage in enumerate(STAGES)},
            "reason": {str(reason): code for code, reason in enumerate(REASONS)},
        }

    def add(self, table: pa.Table) -> None:
        """The next rows."""
        for name in ("place", "row", "part", "block", "offset", "tokens", "trained_tokens", "augmentations"):
            # A copy: the column itself would hold its whole block in Ray's object store.
            self._append(name, np.array(table[name].to_numpy()))
        for name, codes in self._codes.items():
            values = [PASSED if value is None else codes[value] for value in table[name].to_pylist()]
            self._append(name, np.array(values, np.int8))
        for name in ("kind", "language"):
            self._words[name].add([[value] for value in table[name].to_pylist()])
        for name in ("flags", "calls"):
            self._words[name].add(table[name].to_pylist())
        self._append("ids", _matrix(table["id"], np.uint8))
        self._append("bands", _matrix(table["bands"], np.uint64))
        self._append("sketch", _matrix(table["sketch"], np.uint8))

    def build(self) -> Index:
        """The index of all rows so far."""
        for name, parts in self._columns.items():
            self._columns[name] = [np.concatenate(parts)]  # the parts are let go, so that memory holds them once
        joined: dict[str, Any] = {name: parts[0] for name, parts in self._columns.items()}
        return Index(**(joined | {name: words.names() for name, words in self._words.items()}))

    def _append(self, name: str, values: npt.NDArray[Any]) -> None:
        self._columns.setdefault(name, []).append(values)


class _Words:
    """Collects lists of names as codes."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self.parts: list[Int64s] = []
        self.lengths: list[Int64s] = []

    def add(self, rows: list[list[str]]) -> None:
        codes = self.codes
        self.parts.append(np.array([codes.setdefault(name, len(codes)) for row in rows for name in row], np.int64))
        self.lengths.append(np.array([len(row) for row in rows], np.int64))

    def names(self) -> Names:
        lengths = np.concatenate(self.lengths)
        return Names(tuple(self.codes), np.concatenate(self.parts), np.cumsum(lengths))


def _matrix(column: pa.ChunkedArray, dtype: type[np.generic]) -> npt.NDArray[np.generic]:
    """Binary values of one length as the rows of a matrix."""
    values = column.to_pylist()
    width = len(values[0]) // np.dtype(dtype).itemsize
    return np.frombuffer(b"".join(values), dtype).reshape(len(values), width)
