"""How a character out of a set is written inside a JSON string."""

from __future__ import annotations

from collections.abc import Iterable

from octupus.decoding.ebnf.rules import Inexpressible, either
from octupus.schema.patterns.characters import LAST, Intervals, complement, contains, normalised

_SHORT_ESCAPES = {0x08: "b", 0x09: "t", 0x0A: "n", 0x0C: "f", 0x0D: "r", 0x22: '"', 0x5C: "\\"}
_NOT_RAW = normalised([(0, 0x1F), (0x22, 0x22), (0x5C, 0x5C)])
EVERY: Intervals = normalised([(0, LAST)])


def except_for(characters: Iterable[str]) -> Intervals:
    """Every character but these."""
    return complement((ord(character), ord(character)) for character in characters)


def is_broad(intervals: Intervals) -> bool:
    """Whether a set holds so much that most tokens of a vocabulary begin inside it."""
    return sum(last - first + 1 for first, last in intervals) > 128


def written(intervals: Intervals) -> str:
    """Any one character of a set, each in its one spelling: raw, else by its short escape.

    Raises Inexpressible when none can be written.
    """
    raw = complement((*complement(intervals), *_NOT_RAW))
    escapes = [letter for code, letter in _SHORT_ESCAPES.items() if contains(intervals, code)]
    alternatives = [f"[{''.join(_run(*run) for run in raw)}]"] if raw else []
    if escapes:
        letters = "".join(_run(ord(letter), ord(letter)) for letter in escapes)
        alternatives.append(f'"\\\\" [{letters}]')
    if not alternatives:
        raise Inexpressible("pattern", "it asks for characters that only \\u escapes could write")
    return either(alternatives)


def _run(first: int, last: int) -> str:
    return f"\\U{first:08x}" if first == last else f"\\U{first:08x}-\\U{last:08x}"
