"""Following a text through a pattern: whether it may go on, whether it may end, and its shortest end."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from octupus.schema.patterns.automaton import Automaton, build_automaton
from octupus.schema.patterns.characters import Intervals, character_size, cheapest, contains, intersection
from octupus.schema.patterns.errors import PatternError
from octupus.schema.patterns.syntax import parse

MOST_COUNTED_STATES = 2_000_000
_FAR = 1 << 29
"""Stands for a position from which no text is accepted."""


@dataclass(frozen=True, slots=True)
class State:
    """Where a text stands: the positions it may have reached, and its length where lengths matter. False when dead."""

    positions: frozenset[int]
    length: int = 0

    def __bool__(self) -> bool:
        return bool(self.positions)


class Pattern:
    """An automaton with, for every position and length, the bytes of the shortest way to an accepted text.

    `distance` is the most JSON bytes that any prefix of a matching text needs to be completed: a set of positions needs
    no more than the best of its members. It is None where no text matches.
    """

    def __init__(self, automaton: Automaton, shortest_length: int, longest_length: int | None) -> None:
        self._automaton = automaton
        self._shortest_length = shortest_length
        self._longest_length = longest_length
        # Lengths beyond this one are all alike, or not allowed.
        self._last_length = shortest_length if longest_length is None else longest_length
        self._chosen = [cheapest(characters) for characters in automaton.characters]
        sizes = [_FAR if chosen is None else character_size(chosen) for chosen in self._chosen]
        self._sizes = np.array(sizes, dtype=np.int64)
        counts = [len(following) for following in automaton.following]
        self._sources = np.repeat(np.arange(len(counts)), counts)
        self._targets = np.array([target for targets in automaton.following for target in targets], dtype=np.int64)
        edges = max(len(counts), len(self._targets))
        if (self._last_length + 1) * edges > MOST_COUNTED_STATES:
            raise PatternError(
                f"the pattern with lengths up to {self._last_length} has more than {MOST_COUNTED_STATES} states; "
                "put the length into the pattern, or leave one of the two out"
            )
        self._distances = self._all_distances()
        self.distance = self._largest_distance()

    @cached_property
    def endless(self) -> bool:
        """Whether no finite list holds all the texts that match."""
        if self._longest_length is not None:
            return False
        live = self._distances[-1] < _FAR
        degrees: Counter[int] = Counter()
        reached = np.flatnonzero(self._everything_reached(np.arange(len(live)) == 0) & live).tolist()
        following = self._automaton.following
        members = {position for position in reached if self._chosen[position] is not None or position == 0}
        for position in members:
            degrees.update(target for target in following[position] if target in members)
        waiting = [position for position in members if not degrees[position]]
        ordered = 0
        while waiting:
            ordered += 1
            for target in following[waiting.pop()]:
                if target in members:
                    degrees[target] -= 1
                    if not degrees[target]:
                        waiting.append(target)
        # What cannot be put in order goes round.
        return ordered < len(members)

    def start(self) -> State:
        """The state of the empty text."""
        return self._live([0], 0)

    def after(self, state: State, text: str) -> State:
        """The state when `text` follows; false when no matching text begins so."""
        for character in text:
            if not state:
                return state
            code = ord(character)
            characters, following = self._automaton.characters, self._automaton.following
            reached = {target for position in state.positions for target in following[position]}
            length = state.length + 1
            if self._longest_length is None:
                length = min(length, self._last_length)
            state = self._live([target for target in reached if contains(characters[target], code)], length)
        return state

    def accepts(self, state: State) -> bool:
        """Whether the text may end here."""
        return any(self._distances[state.length][position] == 0 for position in state.positions)

    def shortest(self, state: State) -> str | None:
        """A completion that JSON writes with the fewest bytes; None from a dead state."""
        if not state:
            return None
        length = state.length
        position = min(state.positions, key=lambda position: (int(self._distances[length][position]), position))
        written: list[str] = []
        while self._distances[length][position] > 0:
            distance = int(self._distances[length][position])
            length = min(length + 1, self._last_length)
            position = next(
                target
                for target in self._automaton.following[position]
                if int(self._sizes[target] + self._distances[length][target]) == distance
            )
            written.append(self._chosen[position] or "")
        return "".join(written)

    def completions(self, state: State, characters: Intervals | None = None) -> Iterator[str]:
        """Completions of a live state, those that JSON writes with the fewest bytes first; all differ.

        `characters` limits the first one. Of each set of characters only the cheapest member is written, or the lowest
        of those that `characters` leaves.
        """
        waiting: list[tuple[int, int, str, State]] = []
        if state:
            waiting.append((self._nearest(state), 0, "", state))
        written: dict[str, int] = {}
        while waiting:
            _, size, text, current = heapq.heappop(waiting)
            limit = characters if not text else None
            if self.accepts(current) and limit is None:
                yield text
            for character in self._next_characters(current, limit):
                following = self.after(current, character)
                if following and text + character not in written:
                    written[text + character] = len(written)
                    total = size + character_size(character)
                    heapq.heappush(waiting, (total + self._nearest(following), total, text + character, following))

    def _next_characters(self, state: State, limit: Intervals | None) -> Iterator[str]:
        following = {target for position in state.positions for target in self._automaton.following[position]}
        for members in sorted({self._automaton.characters[target] for target in following}):
            found = cheapest(members if limit is None else intersection(members, limit))
            if found is not None:
                yield found

    def _nearest(self, state: State) -> int:
        return min(int(self._distances[state.length][position]) for position in state.positions)

    def _live(self, positions: Sequence[int], length: int) -> State:
        if length > self._last_length:
            return State(frozenset(), self._last_length)
        distances = self._distances[length]
        return State(frozenset(position for position in positions if distances[position] < _FAR), length)

    def _all_distances(self) -> NDArray[np.int32]:
        """Bytes of the shortest completion: [length, position]."""
        count = len(self._automaton.accepting)
        distances = np.full((self._last_length + 1, count), _FAR, dtype=np.int32)
        accepting = np.array(self._automaton.accepting)
        if self._longest_length is None:
            distances[-1] = self._unlimited_distances()
        elif self._shortest_length <= self._last_length:
            distances[-1][accepting] = 0
        for length in range(self._last_length - 1, -1, -1):
            row = np.full(count, _FAR, dtype=np.int64)
            steps = np.minimum(self._sizes[self._targets] + distances[length + 1][self._targets], _FAR)
            np.minimum.at(row, self._sources, steps)
            if length >= self._shortest_length:
                row[accepting] = 0
            distances[length] = row
        return distances

    def _unlimited_distances(self) -> list[int]:
        """Dijkstra's algorithm from the accepting positions backwards."""
        automaton = self._automaton
        preceding: list[list[int]] = [[] for _ in automaton.accepting]
        for source, targets in enumerate(automaton.following):
            for target in targets:
                preceding[target].append(source)
        distances = [0 if accepting else _FAR for accepting in automaton.accepting]
        waiting = [(0, position) for position, accepting in enumerate(automaton.accepting) if accepting]
        while waiting:
            distance, position = heapq.heappop(waiting)
            if distance > distances[position]:
                continue
            following = distance + int(self._sizes[position])
            for source in preceding[position]:
                if following < distances[source]:
                    distances[source] = following
                    heapq.heappush(waiting, (following, source))
        return distances

    def _largest_distance(self) -> int | None:
        """Over the positions and lengths that a text can reach and be completed from."""
        largest = -1
        readable = self._sizes < _FAR
        row = np.zeros(len(readable), dtype=bool)
        row[0] = True
        for length in range(self._last_length + 1):
            if length == self._last_length and self._longest_length is None:
                row = self._everything_reached(row)
            live = row & (self._distances[length] < _FAR)
            largest = max(largest, int(self._distances[length][live].max(initial=-1)))
            following = np.zeros_like(row)
            following[self._targets[row[self._sources]]] = True
            row = following & readable
        return None if largest < 0 else largest

    def _everything_reached(self, row: NDArray[np.bool_]) -> NDArray[np.bool_]:
        reached = set(np.flatnonzero(row).tolist())
        waiting = list(reached)
        while waiting:
            for target in self._automaton.following[waiting.pop()]:
                if target not in reached and self._chosen[target] is not None:
                    reached.add(target)
                    waiting.append(target)
        result = np.zeros_like(row)
        result[list(reached)] = True
        return result


def parse_pattern(
    text: str, *, whole: bool = False, shortest_length: int = 0, longest_length: int | None = None
) -> Pattern:
    """The automaton of the texts that hold a match of `text`; that match it altogether when `whole`.

    Lengths are in code points, both ends included. Raises PatternError when the text is no regular expression, is
    outside the part that Python, Rust and ECMAScript agree on, or is too large.
    """
    return Pattern(build_automaton(parse(text), whole=whole), shortest_length, longest_length)
