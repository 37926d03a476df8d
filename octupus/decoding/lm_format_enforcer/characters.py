"""How characters inside JSON strings are written for the library, which gives some of them a meaning of its own.

The library ends strings at quotes, follows backslashes itself and skips white space at the start of a string. The
reader has decoded all of these already, so it hands them over as surrogates, which no decoded text holds.
"""

from __future__ import annotations

ANY = "\udfff"
"""Stands for every character where the library takes any."""
QUOTE = '"'

_SPECIAL = frozenset(map(chr, range(0x20))) | {" ", '"', "\\"}
_FIRST = 0xD800
_TABLE = {ord(character): chr(_FIRST + ord(character)) for character in _SPECIAL}


def encode(text: str) -> str:
    """`text`, free of surrogates, for the library."""
    return text.translate(_TABLE)


def decode(character: str) -> str:
    """The character that `encode` made `character` of."""
    return chr(ord(character) - _FIRST) if _FIRST <= ord(character) < _FIRST + 0x80 else character


def encodable(text: str) -> bool:
    """Whether `text` holds no surrogates: then it can be written as UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
