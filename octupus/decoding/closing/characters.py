"""The characters of a JSON string, read byte by byte, and the ways to end one that was begun."""

from __future__ import annotations

import re
from collections.abc import Iterator

from octupus.decoding.vocabulary import COMPLETE, advance_utf8
from octupus.schema.patterns.characters import LAST, Intervals, complement, intersection

_PLAIN = re.compile(rb"[\x20\x21\x23-\x5b\x5d-\x7e]*")
_DIGITS = re.compile(rb"[0-9A-Fa-f]*")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}
_ESCAPES = {character: letter for letter, character in _SHORT.items()}
_CONTROL: Intervals = ((1, 7), (11, 11), (14, 31), (127, 127))
_ESCAPED: Intervals = ((8, 10), (12, 13), (34, 34), (92, 92))
_OTHERS = complement((*_CONTROL, *_ESCAPED))


class UnreadableError(ValueError):
    """Bytes that cannot stand in JSON where they stand."""


def read_characters(pending: bytes, data: bytes, at: int) -> tuple[str, bytes, int, bool]:
    """Characters of `data` from `at`, as (text, bytes of a partial one, where it stopped, whether the string ended).

    Raises UnreadableError for what no JSON string holds.
    """
    text: list[str] = []
    while at < len(data):
        if not pending:
            plain = _PLAIN.match(data, at)
            if plain is not None and plain.end() > at:
                text.append(plain[0].decode("ascii"))
                at = plain.end()
                continue
            if data[at] == 0x22:
                return "".join(text), b"", at + 1, True
        pending += data[at : at + 1]
        at += 1
        character = _character(pending)
        if character:
            text.append(character)
            pending = b""
    return "".join(text), pending, at, False


def endings(pending: bytes) -> Iterator[Intervals]:
    """Characters that a begun one may become, those first that every backend writes so."""
    possible = _possible(pending)
    for group in (_CONTROL, _ESCAPED, _OTHERS):
        found = intersection(possible, group)
        if found:
            yield found


def ending(pending: bytes, character: str) -> bytes | None:
    """The bytes that make `character` of a begun one, or None."""
    code = ord(character)
    forms = [character.encode("utf-8")]
    if character in _ESCAPES:
        forms.append(b"\\" + _ESCAPES[character].encode())
    if code < 0x10000:
        forms.append(b"\\u%04x" % code)
    else:
        forms.append(b"\\u%04x\\u%04x" % (0xD800 + ((code - 0x10000) >> 10), 0xDC00 + ((code - 0x10000) & 0x3FF)))
    begun = pending if pending[:1] != b"\\" else pending.lower()
    return next((form[len(pending) :] for form in forms if form.startswith(begun)), None)


def _character(pending: bytes) -> str:
    """The character that the bytes are, empty while some are missing. Raises UnreadableError."""
    try:
        if pending[0] == 0x5C:
            return _escaped(pending)
        state = advance_utf8(COMPLETE, pending)
        if state is None or pending[0] < 0x20:
            raise UnreadableError(f"{pending!r} begins no character of a string")
        return pending.decode("utf-8") if state == COMPLETE else ""
    except KeyError as error:
        raise UnreadableError(f"{pending!r} is no escape") from error


def _escaped(pending: bytes) -> str:
    if len(pending) < 2:
        return ""
    if pending[1] != 0x75:
        return _SHORT[pending[1:2].decode("latin-1")]
    if not _DIGITS.fullmatch(pending[2:6]) or not _DIGITS.fullmatch(pending[8:12]):
        raise UnreadableError(f"{pending!r} holds a digit that is not hexadecimal")
    if len(pending) < 6:
        return ""
    lead = int(pending[2:6], 16)
    if not 0xD800 <= lead <= 0xDFFF:
        return chr(lead)
    if lead >= 0xDC00 or not b"\\u".startswith(pending[6:8]):
        raise UnreadableError("half a surrogate pair")
    if len(pending) < 12:
        return ""
    trail = int(pending[8:12], 16)
    if not 0xDC00 <= trail <= 0xDFFF:
        raise UnreadableError("half a surrogate pair")
    return chr(0x10000 + ((lead - 0xD800) << 10) + trail - 0xDC00)


def _possible(pending: bytes) -> Intervals:
    if pending[0] >= 0x80:
        return _possible_utf8(pending)
    if len(pending) == 1:
        return ((0, 31), (34, 34), (92, 92), (127, 127))
    low, high = _padded(pending[2:6])
    whole = intersection(((low, high),), ((0, 0xFFFF),))
    low, high = max(low, 0xD800), min(high, 0xDBFF)
    if low > high:
        return whole
    trail_low, trail_high = _padded(pending[8:12])
    trail_low, trail_high = max(trail_low, 0xDC00), min(trail_high, 0xDFFF)
    pairs = (
        (
            0x10000 + ((low - 0xD800) << 10) + trail_low - 0xDC00,
            0x10000 + ((high - 0xD800) << 10) + trail_high - 0xDC00,
        ),
    )
    return (*whole, *pairs)


def _padded(digits: bytes) -> tuple[int, int]:
    return int(digits.ljust(4, b"0"), 16), int(digits.ljust(4, b"f"), 16)


def _possible_utf8(pending: bytes) -> Intervals:
    length = 2 if pending[0] < 0xE0 else 3 if pending[0] < 0xF0 else 4
    bits = pending[0] & (0x7F >> length)
    for byte in pending[1:]:
        bits = bits << 6 | byte & 0x3F
    missing = 6 * (length - len(pending))
    shortest = (0, 0, 0x80, 0x800, 0x10000)[length]
    low, high = bits << missing, (bits << missing) | ((1 << missing) - 1)
    return intersection(((max(low, shortest), min(high, LAST)),), ((0, LAST),))
