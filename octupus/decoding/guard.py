"""What no backend library refuses and no reader of JSON accepts: a key written twice, a number beyond a double.

The guard follows the text beside a matcher and takes the tokens that would lead there out of its masks. It is put
around matchers of schemas in which that can happen; where keys may repeat, another key is always possible, which
admission has seen to.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from octupus.decoding.arguments import ArgumentsMatcher
from octupus.decoding.vocabulary import Mask, TokenVocabulary, allows
from octupus.schema.admission import walk

LONGEST_NUMBER = 300
"""Characters of a number: a double ends at 309 digits."""
_EXPONENT_DIGITS = 2
_QUOTE, _BACKSLASH = ord('"'), ord("\\")
_ESCAPE = re.compile(rb"\\.")
_WHOLE_KEY = re.compile(rb'"[^"\\]*"\s*(:|$)')
_NUMBER = re.compile(rb"[-+0-9.eE]+")
_EXPONENT = re.compile(rb"[eE][-+]?([0-9]*)$")


def guarded(matcher: ArgumentsMatcher, schema: dict[str, Any], vocabulary: TokenVocabulary) -> ArgumentsMatcher:
    """`matcher`, with a guard around it where `schema` (a normal form) leaves room for what the guard refuses."""
    keys = numbers = False
    for _, part in walk(schema):
        kind = part.get("type")
        anything = not part
        keys |= anything or "patternProperties" in part
        keys |= kind == "object" and part.get("additionalProperties") is not False
        bounded = ("minimum" in part or "exclusiveMinimum" in part) and (
            "maximum" in part or "exclusiveMaximum" in part
        )
        numbers |= anything or (kind in ("number", "integer") and not bounded)
    if not keys and not numbers:
        return matcher
    return GuardedMatcher(matcher, vocabulary, keys)


class GuardedMatcher:
    """See ArgumentsMatcher."""

    def __init__(self, matcher: ArgumentsMatcher, vocabulary: TokenVocabulary, keys: bool) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary
        self._keys = keys
        self._ids: list[int] = []
        self._reader = _Reader()
        self._read = 0

    def fill(self, row: Mask) -> None:
        """See ArgumentsMatcher.fill."""
        self._matcher.fill(row)
        reader = self._followed()
        if self._keys and any(reader.keys):
            self._refuse_keys(row, reader)
        if reader.number and (len(reader.number) > LONGEST_NUMBER - 16 or b"e" in reader.number.lower()):
            _refuse(row, self._too_long(row, reader))

    def accept(self, token_id: int) -> bool:
        """See ArgumentsMatcher.accept."""
        data = self._vocabulary.token_bytes
        if not 0 <= token_id < len(data) or not self._followed().admits(data[token_id], self._keys):
            return False
        if not self._matcher.accept(token_id):
            return False
        self._ids.append(token_id)
        return True

    def rollback(self, count: int) -> None:
        """See ArgumentsMatcher.rollback."""
        self._matcher.rollback(count)
        del self._ids[len(self._ids) - count :]
        if self._read > len(self._ids):
            self._reader, self._read = _Reader(), 0

    def can_end(self) -> bool:
        """See ArgumentsMatcher.can_end."""
        return self._matcher.can_end()

    def forced(self) -> list[int]:
        """See ArgumentsMatcher.forced. Nothing is forced where the guard might refuse it."""
        reader = self._followed()
        return [] if reader.in_key or reader.number else self._matcher.forced()

    def fork(self) -> GuardedMatcher:
        """See ArgumentsMatcher.fork."""
        copy = GuardedMatcher(self._matcher.fork(), self._vocabulary, self._keys)
        copy._ids, copy._reader, copy._read = list(self._ids), self._followed().copy(), len(self._ids)
        return copy

    def _followed(self) -> _Reader:
        for token_id in self._ids[self._read :]:
            self._reader.read(self._vocabulary.token_bytes[token_id])
        self._read = len(self._ids)
        return self._reader

    def _refuse_keys(self, row: Mask, reader: _Reader) -> None:
        tables = _tables(self._vocabulary)
        suspects = set(tables.with_escapes)
        for keys in reader.keys:
            for key in keys.values():
                suspects.update(tables.with_key.get(key, ()))
        if reader.in_key:
            partial = bytes(reader.text)
            if b"\\" in partial:
                suspects.update(*tables.before_quote.values())
            for key in reader.keys[-1].values():
                if key.startswith(partial):
                    suspects.update(tables.before_quote.get(key[len(partial) :], ()))
        _refuse(row, self._refused(row, reader, suspects))

    def _refused(self, row: Mask, reader: _Reader, ids: Iterable[int]) -> list[int]:
        data = self._vocabulary.token_bytes
        return [token_id for token_id in ids if allows(row, token_id) and not reader.admits(data[token_id], True)]

    def _too_long(self, row: Mask, reader: _Reader) -> list[int]:
        data = self._vocabulary.token_bytes
        return [
            token_id
            for token_id in _tables(self._vocabulary).numbers
            if allows(row, token_id) and not reader.admits(data[token_id], False)
        ]


class _Reader:
    """Reads JSON that a matcher has accepted: the keys written in each open object, and the number being written."""

    __slots__ = ("expects_key", "in_key", "in_string", "keys", "number", "objects", "skip", "text")

    def __init__(self) -> None:
        self.objects: list[bool] = []
        self.keys: list[dict[str, bytes]] = []
        """Of each open object, with their plainest spelling."""
        self.in_string = self.in_key = self.expects_key = self.skip = False
        self.text = bytearray()
        self.number = b""

    def copy(self) -> _Reader:
        other = _Reader()
        other.objects, other.keys = list(self.objects), [dict(keys) for keys in self.keys]
        other.in_string, other.in_key, other.skip = self.in_string, self.in_key, self.skip
        other.expects_key, other.text, other.number = self.expects_key, bytearray(self.text), self.number
        return other

    def admits(self, data: bytes, keys: bool) -> bool:
        """Whether `data` brings no key twice and no number beyond a double."""
        if not keys and not self.number and not _NUMBER.match(data):
            return True
        if keys and not self.in_key and b'"' not in data and not self.number and not _NUMBER.search(data):
            return True
        return self.copy().read(data)

    def read(self, data: bytes) -> bool:
        """Go on by `data`; False when it holds what the guard refuses."""
        sound = True
        for byte in data:
            if self.in_string:
                sound &= self._in_string(byte)
                continue
            character = bytes([byte])
            if character in b"+-.eE0123456789" and (self.number or character in b"-0123456789"):
                self.number += character
                sound &= _finite(self.number)
                continue
            self.number = b""
            self._between(character)
        return sound

    def _in_string(self, byte: int) -> bool:
        if self.skip:
            self.skip = False
        elif byte == _BACKSLASH:
            self.skip = True
        elif byte == _QUOTE:
            return self._string_ended()
        if self.in_key:
            self.text.append(byte)
        return True

    def _string_ended(self) -> bool:
        self.in_string = False
        if not self.in_key:
            return True
        self.in_key = False
        key = json.loads(b'"' + bytes(self.text) + b'"')
        fresh = key not in self.keys[-1]
        self.keys[-1][key] = json.dumps(key, ensure_ascii=False).encode()[1:-1]
        return fresh

    def _between(self, character: bytes) -> None:
        if character == b'"':
            self.in_string = True
            self.in_key = self.expects_key
            self.expects_key = False
            self.text.clear()
        elif character in b"{[":
            self.objects.append(character == b"{")
            self.expects_key = character == b"{"
            if character == b"{":
                self.keys.append({})
        elif character in b"}]":
            if self.objects and self.objects.pop():
                self.keys.pop()
            self.expects_key = False
        elif character == b",":
            self.expects_key = bool(self.objects) and self.objects[-1]


class _Tables:
    """Tokens of a vocabulary that may end a key or go on with a number."""

    def __init__(self, vocabulary: TokenVocabulary) -> None:
        self.before_quote: dict[bytes, list[int]] = defaultdict(list)
        """By what stands before their first quote."""
        self.with_key: dict[bytes, list[int]] = defaultdict(list)
        """By what stands between two quotes that follow each other: a whole key, if they are those of one."""
        self.with_escapes: list[int] = []
        """Those that hold a whole key and a backslash, which may be part of it."""
        self.numbers: list[int] = []
        for token_id, data in enumerate(vocabulary.token_bytes):
            if b'"' in data:
                self.before_quote[data[: data.index(b'"')]].append(token_id)
                for between in data.split(b'"')[1:-1]:
                    self.with_key[between].append(token_id)
                if b"\\" in data and _WHOLE_KEY.search(_ESCAPE.sub(b"", data)):
                    self.with_escapes.append(token_id)
            if _NUMBER.match(data):
                self.numbers.append(token_id)


_TABLES: WeakKeyDictionary[TokenVocabulary, _Tables] = WeakKeyDictionary()


def _tables(vocabulary: TokenVocabulary) -> _Tables:
    found = _TABLES.get(vocabulary)
    if found is None:
        found = _TABLES[vocabulary] = _Tables(vocabulary)
    return found


def _refuse(row: Mask, ids: Iterable[int]) -> None:
    for token_id in ids:
        row[token_id >> 5] &= ~np.uint32(1 << (token_id & 31))


def _finite(number: bytes) -> bool:
    exponent = _EXPONENT.search(number)
    return len(number) <= LONGEST_NUMBER and (exponent is None or len(exponent[1]) <= _EXPONENT_DIGITS)
