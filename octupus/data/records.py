"""The columns of the tables that preparation passes on and writes."""

from __future__ import annotations

import pyarrow as pa

PLACE = ("source", "split", "row", "part")
PLACE_COLUMNS = [("source", pa.string()), ("split", pa.string()), ("row", pa.int64()), ("part", pa.int64())]

RAW = pa.schema([*PLACE_COLUMNS, ("format", pa.string()), ("text", pa.large_string()), ("problem", pa.string())])
"""A row as it stands in its file. `text` is the JSON as written: Arrow holds half a character only as an escape."""

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

CHECKED = pa.unify_schemas([RECORD, DROP])
"""What checking gives for each row: a record with `reason` null, or a drop."""

TOKENISED = pa.schema(
    [
        ("position", pa.int64()),
        ("ids", pa.large_list(pa.int32())),
        ("trained", pa.large_list(pa.bool_())),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)
"""What tokenising gives for each record: ids and loss mask with `reason` null, or why it is dropped."""

PACK = pa.schema(
    [("input_ids", pa.list_(pa.int32())), ("trained", pa.list_(pa.bool_())), ("lengths", pa.list_(pa.int32()))]
)
"""A pack: its documents' ids one after the other, never padded, and the documents' lengths."""
