"""Tables of the index in few words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from octupus.data.index import Index, IndexBuilder
from octupus.data.minhash import MinHasher
from octupus.data.records import INDEX

HASHER = MinHasher()


def identity(name: object) -> bytes:
    """An id as a conversation of that name could have it."""
    return hashlib.sha256(str(name).encode()).digest()


def passed(name: object, text: str = "", **others: Any) -> dict[str, Any]:
    """A row that passed, with the sketch of its text."""
    bands, sketch = _sketch(text)
    row = {"stage": None, "reason": None, "id": identity(name), "tokens": 10, "trained_tokens": 5, "kind": "chat"}
    return _row() | {"bands": bands, "sketch": sketch} | row | others


def dropped(stage: str = "structure", reason: str = "roles_error", **others: Any) -> dict[str, Any]:
    """A row that was dropped by itself."""
    sketch = {"bands": bytes(8 * HASHER.band_count), "sketch": bytes(HASHER.permutations)}
    row = {"stage": stage, "reason": reason, "id": bytes(32), "tokens": 0, "trained_tokens": 0, "kind": ""}
    return _row() | sketch | row | {"offset": -1} | others


@lru_cache(256)
def _sketch(text: str) -> tuple[bytes, bytes]:
    signature = HASHER.signatures([text])
    return HASHER.bands(signature).tobytes(), signature.astype(np.uint8).tobytes()


def _row() -> dict[str, Any]:
    numbers = dict.fromkeys(("place", "row", "part", "block", "offset", "augmentations"), 0)
    return {**numbers, "language": "en", "flags": [], "calls": []}


def table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows of `records.INDEX`."""
    return pa.Table.from_pylist(list(rows), schema=INDEX)


def index_of(rows: Sequence[dict[str, Any]], parts: int = 1) -> Index:
    """The index of the rows, added in so many tables."""
    builder = IndexBuilder()
    for number in range(parts):
        builder.add(table(rows[number * len(rows) // parts : (number + 1) * len(rows) // parts]))
    return builder.build()
