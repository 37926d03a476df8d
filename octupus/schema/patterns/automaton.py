"""A position automaton (Glushkov, by way of Thompson's construction) from a syntax tree of a regular expression.

Position 0 is the start; every other position stands for one character that has just been read. A text matches when
positions that follow each other read it and the last of them is `accepting`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from re import _constants as codes  # type: ignore[attr-defined]
from typing import Any

from octupus.schema.patterns.characters import DIGITS, LAST, SPACE, WORD, Intervals, complement, normalised
from octupus.schema.patterns.errors import PatternError

MOST_POSITIONS = 20_000
MOST_STEPS = 400_000
"""Bounds the time to build an automaton, and the number of pairs of positions that follow each other."""

_ANY: Intervals = normalised([(0, LAST)])
_CATEGORIES = {
    codes.CATEGORY_DIGIT: DIGITS,
    codes.CATEGORY_NOT_DIGIT: complement(DIGITS),
    codes.CATEGORY_WORD: WORD,
    codes.CATEGORY_NOT_WORD: complement(WORD),
    codes.CATEGORY_SPACE: SPACE,
    codes.CATEGORY_NOT_SPACE: complement(SPACE),
}
_BEGIN, _END = "^", "$"


@dataclass(frozen=True)
class Automaton:
    """See the module."""

    characters: tuple[Intervals, ...]
    """What each position reads; nothing for position 0."""
    following: tuple[tuple[int, ...], ...]
    accepting: tuple[bool, ...]


def build_automaton(tree: Any, *, whole: bool) -> Automaton:
    """The automaton of texts that match; of texts that hold a match unless `whole`. Raises PatternError."""
    builder = _Builder()
    first = builder.node()
    begin = first
    if not whole:
        builder.read(_ANY, begin, begin)
        first = builder.node()
        builder.skip(begin, first)
    last = builder.sequence(tree, first)
    if not whole:
        builder.read(_ANY, last, last)
    return builder.positions(begin, last)


class _Builder:
    """Thompson's construction: nodes joined by edges that read a character, nothing, or an end of the text."""

    def __init__(self) -> None:
        self._skips: list[list[int]] = []
        self._asserts: list[list[tuple[str, int]]] = []
        self._reads: list[list[int]] = []
        self._characters: list[Intervals] = [()]
        self._targets: list[int] = [0]
        self._steps = 0

    def node(self) -> int:
        self._step()
        self._skips.append([])
        self._asserts.append([])
        self._reads.append([])
        return len(self._skips) - 1

    def skip(self, source: int, target: int) -> None:
        self._skips[source].append(target)

    def read(self, characters: Intervals, source: int, target: int) -> None:
        if len(self._characters) > MOST_POSITIONS:
            raise PatternError(
                f"with its repetitions written out, the pattern is longer than {MOST_POSITIONS} characters"
            )
        self._reads[source].append(len(self._characters))
        self._characters.append(characters)
        self._targets.append(target)

    def sequence(self, tree: Any, source: int) -> int:
        """Add a sequence of items from `source`; returns the node behind it."""
        for operation, argument in tree:
            source = self._item(operation, argument, source)
        return source

    def _item(self, operation: Any, argument: Any, source: int) -> int:
        self._step()
        if operation is codes.SUBPATTERN:
            return self.sequence(argument[3], source)
        if operation in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            least, most, body = argument
            return self._repeat(least, most, body, source)
        target = self.node()
        if operation is codes.BRANCH:
            for branch in argument[1]:
                self.skip(self.sequence(branch, source), target)
        elif operation is codes.AT and argument in (codes.AT_BEGINNING, codes.AT_END):
            self._asserts[source].append((_BEGIN if argument is codes.AT_BEGINNING else _END, target))
        else:
            self.read(_intervals(operation, argument), source, target)
        return target

    def _repeat(self, least: int, most: Any, body: Any, source: int) -> int:
        for _ in range(least):
            source = self.sequence(body, source)
            self._step()
        if most is codes.MAXREPEAT:
            loop, target = self.node(), self.node()
            self.skip(source, loop)
            self.skip(self.sequence(body, loop), loop)
            self.skip(loop, target)
            return target
        target = self.node()
        for _ in range(most - least):
            self.skip(source, target)
            self._step()
            # A node of its own, so that a way into the body does not become a way into its next repetition.
            entry = self.node()
            self.skip(source, entry)
            source = self.sequence(body, entry)
        self.skip(source, target)
        return target

    def positions(self, begin: int, last: int) -> Automaton:
        reached: dict[int, tuple[tuple[int, ...], bool]] = {}
        following, accepting = [], []
        for position, target in enumerate(self._targets):
            if position == 0:
                found = self._reach(begin, last, at_begin=True)
            else:
                if target not in reached:
                    reached[target] = self._reach(target, last, at_begin=False)
                found = reached[target]
            self._step(len(found[0]))
            following.append(found[0])
            accepting.append(found[1])
        return Automaton(tuple(self._characters), tuple(following), tuple(accepting))

    def _reach(self, node: int, last: int, *, at_begin: bool) -> tuple[tuple[int, ...], bool]:
        """The positions that may come next, and whether the text may end."""
        before_end = self._nodes(node, at_begin=at_begin, at_end=False)
        positions = sorted({position for found in before_end for position in self._reads[found]})
        ends = last in before_end or last in self._nodes(node, at_begin=at_begin, at_end=True)
        return tuple(positions), ends

    def _nodes(self, node: int, *, at_begin: bool, at_end: bool) -> set[int]:
        found, waiting = {node}, [node]
        while waiting:
            current = waiting.pop()
            self._step()
            passed = [target for kind, target in self._asserts[current] if (at_begin if kind == _BEGIN else at_end)]
            for target in (*self._skips[current], *passed):
                if target not in found:
                    found.add(target)
                    waiting.append(target)
        return found

    def _step(self, count: int = 1) -> None:
        self._steps += count
        if self._steps > MOST_STEPS:
            raise PatternError("the pattern is too large: its repetitions are nested, or follow each other, too often")


def _intervals(operation: Any, argument: Any) -> Intervals:
    if operation is codes.LITERAL:
        return normalised([(argument, argument)])
    if operation is codes.NOT_LITERAL:
        return complement([(argument, argument)])
    if operation is codes.ANY:
        return complement([(0x0A, 0x0A)])
    if operation is codes.IN:
        return _class_intervals(tuple(argument))
    raise PatternError(f"the pattern holds {str(operation).lower()}, which is not supported")


@lru_cache(maxsize=256)
def _class_intervals(members: tuple[tuple[Any, Any], ...]) -> Intervals:
    intervals: list[tuple[int, int]] = []
    negated = False
    for operation, argument in members:
        if operation is codes.NEGATE:
            negated = True
        elif operation is codes.LITERAL:
            intervals.append((argument, argument))
        elif operation is codes.RANGE:
            intervals.append(argument)
        else:
            intervals += _CATEGORIES[argument]
    return complement(intervals) if negated else normalised(intervals)
