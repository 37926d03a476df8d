"""Tool names that every client and dialect takes, made from those of corpora by a map that can be read backwards."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence

from octupus.errors import OctupusError

LONGEST_NAME = 64
HASH_DIGITS = 8

_VALID = re.compile(rf"[a-zA-Z0-9_-]{{1,{LONGEST_NAME}}}")
_OTHERS = re.compile(r"[^a-zA-Z0-9_-]+")
_LETTER_OR_DIGIT = re.compile(r"[a-zA-Z0-9]")


class ToolNameCollisionError(OctupusError):
    """Two tools would have the same name, even with the hash of the original in it."""

    def __init__(self, first: str, second: str, name: str) -> None:
        super().__init__(f"tools {first!r} and {second!r} would both be named {name!r}; rename one of them")
        self.first = first
        self.second = second
        self.name = name


def safe_names(names: Sequence[str]) -> dict[str, str]:
    """Each name with the name `^[a-zA-Z0-9_-]{1,64}$` to use in its place; no two share one.

    A valid name stays, and what a name becomes does not depend on the others unless they collide: then a valid name
    or else the first in code point order keeps the plain form, and the others get a hash of the original.
    Raises ToolNameCollisionError.
    """
    taken: dict[str, str] = {}
    for name in sorted(set(names), key=lambda name: (not _VALID.fullmatch(name), name)):
        safe = _safe(name)
        if safe in taken:
            safe = _with_hash(safe, name)
        if safe in taken:
            raise ToolNameCollisionError(taken[safe], name, safe)
        taken[safe] = name
    originals = {name: safe for safe, name in taken.items()}
    return {name: originals[name] for name in names}


def _safe(name: str) -> str:
    """The name made valid without regard to others."""
    if _VALID.fullmatch(name):
        return name
    decomposed = unicodedata.normalize("NFKD", name)
    letters = "".join(character for character in decomposed if not unicodedata.combining(character))
    safe = _OTHERS.sub("_", letters).strip("_")
    if not _LETTER_OR_DIGIT.search(safe):
        return _with_hash("tool", name)
    lost = any(character.isalnum() and not character.isascii() for character in letters)
    return _with_hash(safe, name) if lost or len(safe) > LONGEST_NAME else safe


def _with_hash(safe: str, original: str) -> str:
    # A lone surrogate can be part of a name in JSON, and must not stop the row from being counted.
    digest = hashlib.sha256(original.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]
    return f"{safe[: LONGEST_NAME - HASH_DIGITS - 1].rstrip('_')}_{digest}"
