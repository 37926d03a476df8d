"""The shortest way, or nearly, to end the arguments of a call from where they stand.

When few tokens are left, the turn walks this path instead of letting the model go on, so that a call that was begun is
also closed. Works with any backend through ArgumentsMatcher. The search is greedy outside strings (close what is open,
else write the smallest value) and breadth-first inside strings that may not end yet (keys, enums, patterns, lengths).
"""

from __future__ import annotations

from collections import deque

import numpy as np

from octupus.decoding.arguments import ArgumentsMatcher
from octupus.decoding.strict_json import JsonReader, Position
from octupus.decoding.vocabulary import Mask, TokenVocabulary, allows

LONGEST_PATH = 400
_PREFERRED = '}],"0123456789:ntf-[{ '
_SEARCHED_STATES = 400
_FEW = 64
_BRANCHES = 10
_QUOTE = '"'


def closing_path(matcher: ArgumentsMatcher, text: str, vocabulary: TokenVocabulary) -> list[int] | None:
    """Token ids that complete arguments whose `text` has been written; None when no way was found.

    The matcher is left as it is.
    """
    matcher = matcher.fork()
    reader: JsonReader | None = _read(JsonReader(), text)
    row = np.zeros(vocabulary.words, dtype=np.uint32)
    path: list[int] = []
    while not matcher.can_end():
        step = matcher.forced() or _step(matcher, reader, vocabulary, row)
        if step is None or len(path) + len(step) > LONGEST_PATH or not all(map(matcher.accept, step)):
            return None
        path += step
        reader = _read(reader, vocabulary.tokenizer.decode(step)) if reader is not None else None
    return path


def _step(
    matcher: ArgumentsMatcher, reader: JsonReader | None, vocabulary: TokenVocabulary, row: Mask
) -> list[int] | None:
    if reader is not None and reader.position in (Position.STRING, Position.ESCAPE, Position.HEXADECIMAL):
        return _end_of_string(matcher, vocabulary)
    matcher.fill(row)
    characters = vocabulary.characters
    chosen = next((characters[c] for c in _PREFERRED if c in characters and allows(row, characters[c])), None)
    if chosen is None:
        allowed = _ids(row)
        chosen = min(allowed, key=lambda token: len(vocabulary.tokenizer.decode([token])), default=None)
    return None if chosen is None else [chosen]


def _end_of_string(matcher: ArgumentsMatcher, vocabulary: TokenVocabulary) -> list[int] | None:
    """The fewest tokens behind which the closing quote stands, that quote included."""
    row = np.zeros(vocabulary.words, dtype=np.uint32)
    quote = vocabulary.characters[_QUOTE]
    waiting: deque[tuple[ArgumentsMatcher, list[int]]] = deque([(matcher.fork(), [])])
    seen: set[bytes] = set()
    for _ in range(_SEARCHED_STATES):
        if not waiting:
            return None
        current, path = waiting.popleft()
        current.fill(row)
        if allows(row, quote):
            return [*path, quote]
        state = row.tobytes() + bytes([min(len(path), 255)])
        if state in seen:
            continue
        seen.add(state)
        for token in _branches(row, vocabulary):
            following = current.fork()
            if following.accept(token):
                waiting.append((following, [*path, token]))
    return None


def _branches(row: Mask, vocabulary: TokenVocabulary) -> list[int]:
    """Where few tokens are allowed the longest of them, which are nearest the end; else some single characters.

    Inside a character that lacks bytes no ASCII is allowed: there the shortest tokens complete it.
    """
    allowed = _ids(row)
    decode = vocabulary.tokenizer.decode
    if len(allowed) <= _FEW:
        return sorted(allowed, key=lambda token: -len(decode([token])))[:_BRANCHES]
    characters = [token for token in vocabulary.characters.values() if allows(row, token)]
    return characters[:_BRANCHES] or sorted(allowed, key=lambda token: len(decode([token])))[:_BRANCHES]


def _ids(row: Mask) -> list[int]:
    return [int(token) for token in np.flatnonzero(np.unpackbits(row.view(np.uint8), bitorder="little"))]


def _read(reader: JsonReader, text: str) -> JsonReader | None:
    current: JsonReader | None = reader
    for character in text:
        current = current.after(character) if current is not None else None
    return current
