"""Pack shards: parquet files of packs, the same bytes for the same packs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from octupus.data.manifest import Shard, file_sha256
from octupus.data.records import PACK


@dataclass(frozen=True, slots=True)
class Document:
    """A tokenised conversation."""

    ids: npt.NDArray[np.int32]
    trained: npt.NDArray[np.bool_]


def write_shards(
    directory: Path, documents: Sequence[Document], packs: Sequence[Sequence[int]], packs_per_shard: int
) -> tuple[Shard, ...]:
    """Write `packs-00000.parquet` and so on; `packs` hold positions in `documents`."""
    shards: list[Shard] = []
    for start in range(0, len(packs), packs_per_shard):
        chosen = packs[start : start + packs_per_shard]
        path = directory / f"packs-{len(shards):05d}.parquet"
        pq.write_table(_table(documents, chosen), path, compression="zstd")
        shards.append(Shard(file=path.name, sha256=file_sha256(path), packs=len(chosen)))
    return tuple(shards)


def _table(documents: Sequence[Document], packs: Sequence[Sequence[int]]) -> pa.Table:
    chosen = [documents[position] for pack in packs for position in pack]
    lengths = np.array([len(document.ids) for document in chosen], dtype=np.int32)
    documents_before = _offsets([len(pack) for pack in packs])
    tokens_before = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])[documents_before]
    return pa.table(
        [
            _lists(tokens_before, np.concatenate([document.ids for document in chosen])),
            _lists(tokens_before, np.concatenate([document.trained for document in chosen])),
            _lists(documents_before, lengths),
        ],
        schema=PACK,
    )


def _offsets(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _lists(offsets: npt.NDArray[Any], values: npt.NDArray[Any]) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values))
