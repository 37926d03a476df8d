"""Blocks of examined rows on disk, between the pass over single rows and the decisions over all of them.

A block is an Arrow file that is memory-mapped, so that any row of millions can be had without holding the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def write_table(path: Path, table: pa.Table) -> None:
    """Write an Arrow file that appears whole or not at all; a task that is run twice writes the same again."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    with pa.OSFile(str(partial), "wb") as stream, pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    partial.rename(path)


@contextmanager
def mapped_table(path: Path) -> Iterator[pa.Table]:
    """The table of an Arrow file, memory-mapped while the block runs."""
    with pa.memory_map(str(path)) as stream:
        yield pa.ipc.open_file(stream).read_all()


class Store:
    """The blocks of one run, in a directory that every node of the cluster sees."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def rows_file(self, block: int) -> Path:
        """Rows of `records.BLOCK`."""
        return self.directory / f"{block:06d}.arrow"

    def drops_file(self, block: int) -> Path:
        """Rows of `records.DROP`."""
        return self.directory / f"{block:06d}.drops.arrow"

    def take(self, blocks: npt.NDArray[np.int32], offsets: npt.NDArray[np.int32], columns: list[str]) -> pa.Table:
        """The rows at (block, offset), in the order asked for. `blocks` and `offsets` have one shape [n], n > 0."""
        order = np.argsort(blocks, kind="stable")
        tables = []
        for start, end in runs(blocks[order]):
            chosen = order[start:end]
            with mapped_table(self.rows_file(int(blocks[chosen[0]]))) as table:
                # Typed, since Arrow takes the type of an empty list for null and then refuses it.
                tables.append(table.select(columns).take(pa.array(offsets[chosen], pa.int64())))
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        # The metadata is the first block's own, so it would tell the sizes of blocks apart.
        return pa.concat_tables(tables).replace_schema_metadata().take(pa.array(back, pa.int64()))


def runs(values: npt.NDArray[np.int32]) -> Iterator[tuple[int, int]]:
    """Start and end of each run of equal values."""
    if not len(values):
        return
    starts = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1, [len(values)]])
    yield from zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
