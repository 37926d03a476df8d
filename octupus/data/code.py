"""The hash of the code that decides what prepared data looks like, so that other code never passes for the same."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
PARTS = ("conversation.py", "chat", "schema", "data")


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """Of the source files of conversations, dialects, schemas and data preparation, by name."""
    digest = hashlib.sha256()
    files = [file for part in PARTS for file in [PACKAGE / part, *(PACKAGE / part).rglob("*.py")] if file.is_file()]
    for file in sorted(files):
        digest.update(f"{file.relative_to(PACKAGE).as_posix()}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
