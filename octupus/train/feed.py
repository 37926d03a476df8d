"""Pack ids to tensors."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from octupus.errors import ManifestError

IGNORED = -100
"""Label of a position that is not trained; the value that PyTorch's cross-entropy ignores by default."""

CACHED_ROW_GROUPS = 64


@dataclass(frozen=True, slots=True)
class Pack:
    """One pack as a model takes it; tensors are int64 of shape (1, tokens).

    There is no attention mask on purpose: transformers builds the block-diagonal mask from restarts of
    `position_ids`, but only when it is given neither a mask nor a cache.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    labels: torch.Tensor
    """`input_ids` where trained, else IGNORED; a document's first token is never a label."""

    @property
    def trained_tokens(self) -> int:
        """Number of trained positions."""
        return int((self.labels != IGNORED).sum())

    def to(self, device: torch.device) -> Pack:
        """The pack on another device."""
        return Pack(
            self.input_ids.to(device, non_blocking=True),
            self.position_ids.to(device, non_blocking=True),
            self.labels.to(device, non_blocking=True),
        )


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a pack: ids and, for each, whether it is trained."""

    ids: list[int]
    trained: list[bool]


class PackFeed:
    """Reads packs by id from parquet shards. Ids count over the shards in their order."""

    def __init__(self, shards: Sequence[Path]) -> None:
        self._files = [pq.ParquetFile(shard, memory_map=True) for shard in shards]
        self._groups = [
            (position, group)
            for position, file in enumerate(self._files)
            for group in range(file.metadata.num_row_groups)
        ]
        rows = [self._files[position].metadata.row_group(group).num_rows for position, group in self._groups]
        self._starts = [0, *accumulate(rows)]
        self._decoded: OrderedDict[int, pa.Table] = OrderedDict()

    def __len__(self) -> int:
        """Number of packs."""
        return int(self._starts[-1])

    def documents(self, pack_id: int) -> list[Document]:
        """The documents of a pack. Raises ManifestError when the row is inconsistent or the id is out of range."""
        if not 0 <= pack_id < len(self):
            raise ManifestError(f"pack {pack_id} does not exist; the shards hold {len(self)} packs")
        group = bisect_right(self._starts, pack_id) - 1
        row = self._table(group).slice(pack_id - self._starts[group], 1).to_pydict()
        ids, trained, lengths = row["input_ids"][0], row["trained"][0], row["lengths"][0]
        if not ids or len(ids) != len(trained) or len(ids) != sum(lengths) or min(lengths) < 1:
            raise ManifestError(
                f"pack {pack_id} is damaged: {len(ids)} ids, {len(trained)} trained, lengths {lengths}; "
                "prepare the data again"
            )
        ends = list(accumulate(lengths))
        return [
            Document(ids[end - length : end], trained[end - length : end])
            for length, end in zip(lengths, ends, strict=True)
        ]

    def read(self, pack_id: int, pad_to: int | None = None) -> Pack:
        """A pack as tensors; `pad_to` fills it up to that many tokens (see `collate`)."""
        return collate(self.documents(pack_id), pad_to)

    def _table(self, group: int) -> Any:
        if group not in self._decoded:
            position, row_group = self._groups[group]
            self._decoded[group] = self._files[position].read_row_group(
                row_group, columns=["input_ids", "trained", "lengths"]
            )
            if len(self._decoded) > CACHED_ROW_GROUPS:
                self._decoded.popitem(last=False)
        self._decoded.move_to_end(group)
        return self._decoded[group]


def collate(documents: Sequence[Document], pad_to: int | None = None) -> Pack:
    """Join documents to one pack.

    The tail up to `pad_to` becomes an untrained document of its own (id 0), so that shapes stay static without any
    position seeing it.
    """
    ids = [np.asarray(document.ids, dtype=np.int64) for document in documents]
    labels = [np.where(document.trained, row, IGNORED) for document, row in zip(documents, ids, strict=True)]
    for row in labels:
        row[0] = IGNORED  # else the last token of the document before would be trained to predict this one
    missing = (pad_to or 0) - sum(map(len, ids))
    if missing > 0:
        ids.append(np.zeros(missing, dtype=np.int64))
        labels.append(np.full(missing, IGNORED, dtype=np.int64))
    positions = [np.arange(len(row), dtype=np.int64) for row in ids]
    return Pack(_row(ids), _row(positions), _row(labels))


def _row(parts: Sequence[np.ndarray[Any, np.dtype[np.int64]]]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate(parts)).unsqueeze(0)
