"""The columns of the tables that preparation passes on and writes."""

from __future__ import annotations

import pyarrow as pa

PLACE_COLUMNS = [("source", pa.string()), ("split", pa.string()), ("row", pa.int64()), ("part", pa.int64())]

RECORD = pa.schema(
    [
        ("id", pa.string()),
        *PLACE_COLUMNS,
        ("language", pa.string()),
        ("messages", pa.large_string()),
        ("tools", pa.large_string()),
        ("loss", pa.list_(pa.bool_())),
        ("kind", pa.string()),
        ("flags", pa.list_(pa.string())),
        ("meta", pa.string()),
    ]
)
"""A kept row: `Conversation.to_row`."""

DROP = pa.schema(
    [
        *PLACE_COLUMNS,
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("excerpt", pa.string()),
    ]
)
"""A dropped row: where, why, and how it begins."""

BLOCK = pa.schema(
    [
        *RECORD,
        ("ids", pa.large_list(pa.int32())),
        ("trained", pa.large_list(pa.bool_())),
    ]
)
"""A row that passed every check of its own, with its tokens, as blocks hold it."""

INDEX = pa.schema(
    [
        ("place", pa.int32()),  # position of its source in the configuration
        ("row", pa.int64()),
        ("part", pa.int32()),
        ("block", pa.int32()),
        ("offset", pa.int32()),  # position in the block; -1 for a dropped row
        ("stage", pa.string()),
        ("reason", pa.string()),  # null for a row that passed
        ("id", pa.binary(32)),
        ("tokens", pa.int32()),
        ("trained_tokens", pa.int32()),
        ("kind", pa.string()),
        ("language", pa.string()),
        ("flags", pa.list_(pa.string())),
        ("calls", pa.list_(pa.string())),  # names of the called tools, each once
        ("augmentations", pa.int32()),  # bits of those it is fit for
        ("bands", pa.binary()),  # uint64[bands] of its MinHash signature; empty where near-duplicates are kept
        ("sketch", pa.binary()),  # the lowest byte of each entry of the signature
    ]
)
"""What decisions over all rows need to know of each."""

PACK = pa.schema(
    [("input_ids", pa.list_(pa.int32())), ("trained", pa.list_(pa.bool_())), ("lengths", pa.list_(pa.int32()))]
)
"""A pack: its documents' ids one after the other, never padded, and the documents' lengths."""
