"""Which format a corpus has, by its first rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from octupus.data.sources.registry import FORMATS
from octupus.errors import CorpusError

ROWS_LOOKED_AT = 20


def detect_format(values: Sequence[Any], path: Path) -> str:
    """The name of the format that recognises most of the rows. Raises CorpusError when none recognises any."""
    rows = [value for value in values if isinstance(value, dict)]
    votes = {name: sum(map(form.recognises, rows)) for name, form in FORMATS.items()}
    name = max(votes, key=lambda name: votes[name])
    if votes[name]:
        return name
    seen = ", ".join(sorted({key for row in rows for key in row})) or "none, since no row is an object"
    raise CorpusError(
        f"corpus {path} has an unknown format; known formats: {', '.join(FORMATS)}; keys seen: {seen}; "
        "convert it to one of these, or name its format if these rows are exceptions"
    )
