"""A count of the keywords that schemas use, which tells what a corpus or a client needs a constraint to enforce."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from octupus.schema.repair import SCHEMA_LISTS, SCHEMA_MAPS, SCHEMAS


def keywords(schema: Any) -> Counter[str]:
    """How often each keyword occurs in the schema and its subschemas; names of properties and values do not count."""
    counted: Counter[str] = Counter()
    # A stack of our own: nesting that a row of a corpus may hold must not exhaust Python's.
    waiting = [schema]
    while waiting:
        subschema = waiting.pop()
        if isinstance(subschema, dict):
            counted.update(subschema.keys())
            waiting.extend(_subschemas(subschema))
    return counted


def _subschemas(schema: dict[str, Any]) -> Iterator[Any]:
    for keyword, value in schema.items():
        if keyword in SCHEMA_MAPS and isinstance(value, dict):
            yield from value.values()
        elif keyword in SCHEMA_LISTS and isinstance(value, list):
            yield from value
        elif keyword in SCHEMAS:
            yield value
