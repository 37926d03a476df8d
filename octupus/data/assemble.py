"""Tasks of the last pass: kept rows from the store to the files of the output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from octupus.data.decide import Decisions
from octupus.data.examine import EXCERPT_CHARACTERS
from octupus.data.index import REASONS, STAGES, Index, Int32s
from octupus.data.manifest import file_sha256
from octupus.data.reasons import Reason
from octupus.data.records import DROP, RECORD
from octupus.data.shards import write_shard
from octupus.data.store import Store, mapped_table, runs

ROWS_PER_FILE = 10_000
"""Records in one parquet file, and drops in one row group: fixed, so that blocks of any size give the same bytes."""

WRITTEN = pa.schema([("file", pa.string()), ("sha256", pa.string()), ("packs", pa.int64())])


@dataclass(frozen=True, slots=True)
class Packs:
    """Which rows stand in which pack."""

    rows: npt.NDArray[np.int64]
    """Positions in the index of all packs' rows, pack after pack."""
    sizes: npt.NDArray[np.int64]
    """Rows of each pack."""


@dataclass(frozen=True, slots=True)
class LastPass:
    """What every task that writes output knows. A task is a number: shards first, then files of records."""

    store: Store
    directory: Path
    block: Int32s
    offset: Int32s
    """Where each row of the index lies in the store."""
    packs: Packs
    packs_per_shard: int
    kept: npt.NDArray[np.int64]
    """Positions in the index of the records to write."""

    @property
    def shards(self) -> int:
        return -(-len(self.packs.sizes) // self.packs_per_shard)

    @property
    def tasks(self) -> int:
        return self.shards + -(-len(self.kept) // ROWS_PER_FILE)

    def run(self, task: int) -> pa.Table:
        """Write one file; a row of WRITTEN."""
        packs = 0
        if task < self.shards:
            path = self.directory / f"packs-{task:05d}.parquet"
            start = task * self.packs_per_shard
            sizes = self.packs.sizes[start : start + self.packs_per_shard]
            packs = len(sizes)
            first = int(self.packs.sizes[:start].sum())
            rows = self.packs.rows[first : first + int(sizes.sum())]
            write_shard(path, self._take(rows, ["ids", "trained"]), sizes)
        else:
            number = task - self.shards
            path = self.directory / "records" / f"{number:05d}.parquet"
            rows = self.kept[number * ROWS_PER_FILE : (number + 1) * ROWS_PER_FILE]
            write_records(path, self._take(rows, RECORD.names))
        written = [[str(path.relative_to(self.directory))], [file_sha256(path)], [packs]]
        return pa.table(written, schema=WRITTEN)

    def _take(self, rows: npt.NDArray[np.int64], columns: list[str]) -> pa.Table:
        return self.store.take(self.block[rows], self.offset[rows], columns)


def write_records(path: Path, records: pa.Table) -> None:
    """A parquet file of records."""
    path.parent.mkdir(exist_ok=True)
    pq.write_table(records.combine_chunks(), path, compression="zstd")


def take_records(store: Store, index: Index, rows: npt.NDArray[np.int64]) -> pa.Table:
    """Rows of the index as `records.RECORD`."""
    if not len(rows):
        return RECORD.empty_table()
    return store.take(index.block[rows], index.offset[rows], RECORD.names)


def drops(store: Store, index: Index, decisions: Decisions, places: list[tuple[str, str]]) -> Iterator[pa.Table]:
    """Drops among the rows of the corpora in order of source and row, a table a block.

    Those of single rows stand with those that were decided over all rows.
    """
    read = len(decisions.kept)
    decided = ~decisions.kept & index.passed[:read]
    for start, end in runs(index.block[:read]):
        block = int(index.block[start])
        with mapped_table(store.drops_file(block)) as own:
            tables = [own]
            rows = start + np.flatnonzero(decided[start:end])
            if len(rows):
                tables.append(_decided(store, index, decisions, places, rows))
            table = pa.concat_tables(tables)
            yield table.take(_order(table)) if len(tables) > 1 else table


def write_drops(path: Path, tables: Iterator[pa.Table]) -> None:
    """One parquet file in row groups of ROWS_PER_FILE, in little memory."""
    with pq.ParquetWriter(path, DROP, compression="zstd") as writer:
        waiting = DROP.empty_table()
        for table in tables:
            waiting = pa.concat_tables([waiting, table])
            while len(waiting) >= ROWS_PER_FILE:
                writer.write_table(waiting.slice(0, ROWS_PER_FILE).combine_chunks())
                waiting = waiting.slice(ROWS_PER_FILE)
        if len(waiting):
            writer.write_table(waiting.combine_chunks())


def _order(table: pa.Table) -> pa.Array:
    """Positions of the rows in order of row and part."""
    return pc.sort_indices(table, sort_keys=[("row", "ascending"), ("part", "ascending")])


def _decided(
    store: Store, index: Index, decisions: Decisions, places: list[tuple[str, str]], rows: npt.NDArray[np.int64]
) -> pa.Table:
    records = store.take(index.block[rows], index.offset[rows], ["messages"])
    excerpts = pc.utf8_slice_codeunits(records["messages"], 0, EXCERPT_CHARACTERS).cast(pa.string())
    values = [
        {
            "source": places[index.place[row]][0],
            "split": places[index.place[row]][1],
            "row": int(index.row[row]),
            "part": int(index.part[row]),
            "stage": str(STAGES[decisions.stage[row]]),
            "reason": str(REASONS[decisions.reason[row]]),
            "detail": _detail(index, decisions, places, row),
            "excerpt": excerpt,
        }
        for row, excerpt in zip(rows.tolist(), excerpts.to_pylist(), strict=True)
    ]
    return pa.Table.from_pylist(values, schema=DROP)


def _detail(index: Index, decisions: Decisions, places: list[tuple[str, str]], row: int) -> str:
    reason = REASONS[decisions.reason[row]]
    if reason == Reason.CAPPED:
        start, end = index.calls.starts()[row], index.calls.ends[row]
        names = ", ".join(index.calls.vocabulary[code] for code in index.calls.codes[start:end])
        return f"enough other rows call {names}"
    earlier = int(decisions.earlier[row])
    source, split = places[index.place[earlier]]
    alike = "same as" if reason == Reason.DUPLICATE else "nearly the same as"
    return f"{alike} {source}:{split} row {index.row[earlier]}"
