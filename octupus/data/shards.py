"""Pack shards: parquet files of packs, the same bytes for the same packs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from octupus.data.records import PACK

ROW_GROUP_PACKS = 64
"""Packs that are decoded together. Training reads them in random order, so what its cache does not hold costs a whole
group: 5 ms a pack with 64, 56 ms with a whole shard of 1000 (4096 tokens each; files grow by a quarter)."""


def write_shard(path: Path, documents: pa.Table, documents_of_packs: npt.NDArray[np.int64]) -> None:
    """Write packs of documents (columns `ids` and `trained` of `records.BLOCK`), in order.

    `documents_of_packs`, int64[packs], says how many documents each pack takes.
    """
    ids, trained = (documents[name].combine_chunks() for name in ("ids", "trained"))
    lengths = pc.list_value_length(ids).to_numpy(zero_copy_only=False)
    documents_before = _offsets(documents_of_packs)
    tokens_before = _offsets(lengths)[documents_before]
    columns = [
        _lists(tokens_before, ids.flatten()),
        _lists(tokens_before, trained.flatten()),
        _lists(documents_before, pa.array(lengths, pa.int32())),
    ]
    pq.write_table(pa.table(columns, schema=PACK), path, compression="zstd", row_group_size=ROW_GROUP_PACKS)


def _offsets(lengths: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _lists(offsets: npt.NDArray[np.int64], values: pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
