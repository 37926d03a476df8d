"""Pack ids to tensors."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import ArrayLike, NDArray

from octupus.errors import ManifestError

IGNORED = -100
"""Label of a position that is not trained; the value that PyTorch's cross-entropy ignores by default."""

CACHE_BYTES = 1 << 30
"""Decoded row groups that a feed keeps. Packs come in random order, so what does not fit is decoded again."""

COLUMNS = ["input_ids", "trained", "lengths"]


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """One pack as a model takes it: documents side by side in one row.

    Padding is a document of its own, so that no other position sees it. There is no attention mask on purpose (see
    `loss.py`).
    """

    input_ids: torch.Tensor
    """int64 (1, slots)."""
    position_ids: torch.Tensor
    """int64 (1, slots): places within the document, from 0."""
    labels: torch.Tensor
    """int64 (1, slots): `input_ids` where trained, else IGNORED; a document's first token is never a label."""
    predicting: torch.Tensor
    """int64 (trained_tokens,): the positions whose next token is trained."""
    cumulative_lengths: torch.Tensor
    """int32 (documents + 1,): where documents begin, and the end; `cu_seq_lens` of variable-length attention."""
    longest: int
    """Tokens of the longest document."""
    tokens: int
    """Tokens of documents, padding left out."""

    @property
    def trained_tokens(self) -> int:
        """Number of trained positions."""
        return len(self.predicting)

    def to(self, device: torch.device) -> Pack:
        """The pack on another device; from pinned memory the copy runs beside the computation."""
        return replace(self, **{name: tensor.to(device, non_blocking=True) for name, tensor in self._tensors()})

    def pinned(self) -> Pack:
        """The pack in page-locked memory. Needs CUDA."""
        return replace(self, **{name: tensor.pin_memory() for name, tensor in self._tensors()})

    def _tensors(self) -> list[tuple[str, torch.Tensor]]:
        names = ("input_ids", "position_ids", "labels", "predicting", "cumulative_lengths")
        return [(name, getattr(self, name)) for name in names]


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One document of a pack: ids, an integer each, and whether each is trained."""

    ids: ArrayLike
    trained: ArrayLike


class PackFeed:
    """Reads packs by id from parquet shards; threads may share it. Ids count over the shards in their order.

    Files are read, not mapped: one that is cut off under a mapping kills the process. Every read opens its file, so
    many shards take no file descriptors.
    """

    def __init__(self, shards: Sequence[Path], cache_bytes: int = CACHE_BYTES) -> None:
        self._shards = list(shards)
        self._metadata = [_metadata(shard) for shard in self._shards]
        self._groups = [
            (position, group)
            for position, metadata in enumerate(self._metadata)
            for group in range(metadata.num_row_groups)
        ]
        rows = [self._metadata[position].row_group(group).num_rows for position, group in self._groups]
        self._starts = [0, *accumulate(rows)]
        self._cache: OrderedDict[int, pa.Table] = OrderedDict()
        self._spare_bytes = cache_bytes
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Number of packs."""
        return int(self._starts[-1])

    def documents(self, pack_id: int) -> list[Document]:
        """The documents of a pack: int64 ids and bool flags.

        Raises ManifestError when the id is out of range, its row is inconsistent, or its shard cannot be read.
        """
        if not 0 <= pack_id < len(self):
            raise ManifestError(f"pack {pack_id} does not exist; the shards hold {len(self)} packs")
        group = bisect_right(self._starts, pack_id) - 1
        table = self._table(group, pack_id)
        ids, trained, lengths = (_row(table.column(name), pack_id - self._starts[group]) for name in COLUMNS)
        if not len(ids) or len(ids) != len(trained) or len(ids) != lengths.sum() or lengths.min() < 1:
            raise ManifestError(
                f"pack {pack_id} is damaged: {len(ids)} ids, {len(trained)} trained, lengths {lengths.tolist()}; "
                "prepare the data again"
            )
        ends = np.cumsum(lengths)[:-1]
        return [Document(*parts) for parts in zip(np.split(ids, ends), np.split(trained, ends), strict=True)]

    def read(self, pack_id: int, pad_to: int | None = None) -> Pack:
        """A pack as tensors; `pad_to` fills it up to that many tokens (see `collate`)."""
        return collate(self.documents(pack_id), pad_to)

    def _table(self, group: int, pack_id: int) -> pa.Table:
        with self._lock:
            if group in self._cache:
                self._cache.move_to_end(group)
                return self._cache[group]
            table = self._cache[group] = self._decode(group, pack_id)
            self._spare_bytes -= table.nbytes
            while len(self._cache) > 1 and self._spare_bytes < 0:
                self._spare_bytes += self._cache.popitem(last=False)[1].nbytes
            return table

    def _decode(self, group: int, pack_id: int) -> pa.Table:
        position, row_group = self._groups[group]
        shard = self._shards[position]
        try:
            with pq.ParquetFile(shard, metadata=self._metadata[position]) as file:
                # Arrow's threads would take the cores that train.
                return file.read_row_group(row_group, columns=COLUMNS, use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise ManifestError(f"cannot read pack {pack_id} from {shard}: {error}; prepare the data again") from error


def collate(documents: Sequence[Document], pad_to: int | None = None) -> Pack:
    """Join documents to one pack.

    The tail up to `pad_to` becomes an untrained document of its own (id 0), so that shapes stay static without any
    position seeing it.
    """
    ids = [np.asarray(document.ids, dtype=np.int64) for document in documents]
    trained = [np.array(document.trained, dtype=np.bool_) for document in documents]
    for flags in trained:
        flags[0] = False  # else the last token of the document before would be trained to predict this one
    tokens = sum(map(len, ids))
    missing = (pad_to or 0) - tokens
    if missing > 0:
        ids.append(np.zeros(missing, dtype=np.int64))
        trained.append(np.zeros(missing, dtype=np.bool_))
    lengths = [len(row) for row in ids]
    joined, on = np.concatenate(ids), np.concatenate(trained)
    return Pack(
        input_ids=torch.from_numpy(joined).unsqueeze(0),
        position_ids=torch.from_numpy(np.concatenate([np.arange(length) for length in lengths])).unsqueeze(0),
        labels=torch.from_numpy(np.where(on, joined, IGNORED)).unsqueeze(0),
        predicting=torch.from_numpy(np.flatnonzero(on) - 1),
        cumulative_lengths=torch.tensor([0, *accumulate(lengths)], dtype=torch.int32),
        longest=max(lengths),
        tokens=tokens,
    )


def empty_pack() -> Pack:
    """Two slots of padding: what a worker computes while others train a pack more, since all must step together."""
    return collate([], pad_to=2)


def _metadata(shard: Path) -> Any:
    try:
        with pq.ParquetFile(shard) as file:
            missing = set(COLUMNS) - set(file.schema_arrow.names)
            if missing:
                raise ManifestError(f"{shard} lacks the columns {sorted(missing)}; prepare the data again")
            return file.metadata
    except (OSError, pa.ArrowException) as error:
        raise ManifestError(f"cannot read {shard}: {error}; prepare the data again") from error


def _row(column: pa.ChunkedArray, row: int) -> NDArray[Any]:
    """A list's values, in memory of their own: a view would keep the whole row group alive."""
    found = column[row]
    return np.array(found.values.to_numpy(zero_copy_only=False)) if found.is_valid else np.empty(0, dtype=np.int64)
