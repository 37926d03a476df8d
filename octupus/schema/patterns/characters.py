"""Sets of characters as intervals of code points, and what a character costs inside a JSON string."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

Intervals = tuple[tuple[int, int], ...]
"""Sorted, disjoint, both ends included. Surrogates are never members: they are no characters of JSON text."""

LAST = 0x10FFFF

DIGITS: Intervals = ((0x30, 0x39),)
WORD: Intervals = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
# White_Space of Unicode, as Rust has it. ECMAScript lacks U+0085 and adds U+FEFF, Python adds U+001C to U+001F.
SPACE: Intervals = (
    (0x09, 0x0D),
    (0x20, 0x20),
    (0x85, 0x85),
    (0xA0, 0xA0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x2028, 0x2029),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
)

_SHORT_ESCAPES = frozenset('"\\\b\f\n\r\t')
# What a shortest text is written with, the most readable first; after these, by size and code point.
_PREFERRED = [
    *map(ord, "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    *(code for code in range(0x20, 0x7F) if not chr(code).isalnum() and chr(code) not in '"\\'),
    *map(ord, '\n\t\r"\\\f\b'),
]
_GROUPS = ((0x80, 0x7FF), (0x800, 0xFFFF), (0x10000, LAST), (0x00, 0x7F))


def normalised(intervals: Iterable[tuple[int, int]]) -> Intervals:
    """The same set with its intervals sorted and joined, surrogates left out."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(_without_surrogates(intervals)):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def complement(intervals: Iterable[tuple[int, int]]) -> Intervals:
    """Every other character."""
    result: list[tuple[int, int]] = []
    begin = 0
    for first, last in normalised(intervals):
        if begin < first:
            result.append((begin, first - 1))
        begin = last + 1
    if begin <= LAST:
        result.append((begin, LAST))
    return normalised(result)


def intersection(intervals: Intervals, others: Intervals) -> Intervals:
    """What two sets share."""
    pairs = ((max(one[0], two[0]), min(one[1], two[1])) for one in intervals for two in others)
    return normalised(pair for pair in pairs if pair[0] <= pair[1])


def contains(intervals: Intervals, code: int) -> bool:
    """Whether a code point is a member."""
    index = bisect_right(intervals, (code, LAST + 1)) - 1
    return index >= 0 and intervals[index][0] <= code <= intervals[index][1]


def cheapest(intervals: Intervals) -> str | None:
    """The member that is written with the fewest bytes, a letter or digit where one is; None of an empty set."""
    for code in _PREFERRED:
        if contains(intervals, code):
            return chr(code)
    for low, high in _GROUPS:
        for first, last in intervals:
            if max(first, low) <= min(last, high):
                return chr(max(first, low))
    return None


def character_size(character: str) -> int:
    """Bytes of a character inside a JSON string: UTF-8, with an escape where JSON or a backend demands one."""
    if character in _SHORT_ESCAPES:
        return 2
    # U+007F may stand as it is in JSON, but llguidance admits its escape alone.
    return 6 if character < " " or character == "\x7f" else len(character.encode("utf-8"))


def _without_surrogates(intervals: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    for first, last in intervals:
        for low, high in ((0, 0xD7FF), (0xE000, LAST)):
            if max(first, low) <= min(last, high):
                yield max(first, low), min(last, high)
