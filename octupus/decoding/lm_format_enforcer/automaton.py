"""The states that texts of one schema and frame lead to, found once and remembered for every later request.

A lazy automaton over bytes: a state is a set of threads, or such a set with the first bytes of a character that is
not complete yet. Equal states are one object, so that a step taken before is one look-up in a dictionary.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from threading import RLock

from octupus.decoding.arguments import Frame
from octupus.decoding.lm_format_enforcer.characters import ANY
from octupus.decoding.lm_format_enforcer.grammar import Grammar, Node
from octupus.decoding.lm_format_enforcer.reader import Reader, Thread
from octupus.decoding.lm_format_enforcer.structure import Room, holder_of_key
from octupus.decoding.vocabulary import COMPLETE, Mask, advance_utf8

MOST_STATES = 5_000
"""States remembered for one schema and frame; beyond it they are forgotten and found again.

A state is some thirty objects, through all of which Python's garbage collector goes again and again.
"""
MOST_THREADS = 128
"""Ways to read one text that are followed; a schema whose alternatives overlap in more loses the last of them."""
_ANY_BYTE = -1


class MaskCell:
    """A mask, shared by the states that allow the same tokens, until it is forgotten to bound memory."""

    __slots__ = ("forced", "mask")

    def __init__(self) -> None:
        self.mask: Mask | None = None
        self.forced: int | None = None
        """The only token of the mask."""


class State:
    """Immutable but for what it remembers. `pending` holds the first bytes of an incomplete character."""

    __slots__ = ("_edges", "_first_bytes", "_is_uniform", "automaton", "can_end", "cell", "pending", "room", "threads")

    def __init__(self, automaton: Automaton, threads: tuple[Thread, ...], pending: bytes) -> None:
        self.automaton = automaton
        self._edges: dict[int, State | None] = {}
        self._first_bytes: frozenset[int] | None = None
        self.threads = threads
        self.pending = pending
        self.cell: MaskCell | None = None
        self.can_end = not pending and any(map(automaton.reader.can_end, threads))
        self.room: Room | None = threads[0].room if len(threads) == 1 and not pending else None

        # The characters of a key matter later: a map must not hold it twice.
        self._is_uniform = self.room is not None and holder_of_key(threads[0].parser) is None

    def after(self, byte: int) -> State | None:
        """The state behind a byte; None when it may not come next."""
        if self._is_uniform and 0x20 <= byte < 0x80 and byte not in b'"\\':
            byte = _ANY_BYTE
        if byte not in self._edges:
            if byte >= 0 and byte not in self.first_bytes():
                return None
            self._edges[byte] = self.automaton.follow(self, byte)
        return self._edges[byte]

    def first_bytes(self) -> frozenset[int]:
        """Bytes worth trying: no other may come next."""
        if self._first_bytes is None:
            self._first_bytes = self.automaton.first_bytes(self)
        return self._first_bytes

    def after_text(self, text: bytes) -> State | None:
        """The state behind some bytes."""
        state: State | None = self
        for byte in text:
            if state is None:
                return None
            state = state.after(byte)
        return state


class Automaton:
    """All states of one grammar and frame. Steps never taken before are taken by one caller at a time."""

    def __init__(self, schema: Node, frame: Frame) -> None:
        grammar = Grammar(schema)
        self.reader = Reader(grammar, grammar.choices(schema), frame)
        self.cells: dict[Hashable, MaskCell] = {}
        self._states: dict[Hashable, State] = {}
        # The library's parsers share a context that they write to.
        self._lock = RLock()
        self._root = self.state(self.reader.start)

    @property
    def root(self) -> State:
        """The state before the first character."""
        return self._root

    def state(self, threads: Iterable[Thread], pending: bytes = b"") -> State:
        """The state of some threads."""
        by_key = {thread.key(): thread for thread in threads}
        kept = tuple(by_key.items())[:MOST_THREADS]
        key = pending, frozenset(key for key, _ in kept)
        found = self._states.get(key)
        if found is None:
            if len(self._states) >= MOST_STATES:
                self._forget()
            found = self._states[key] = State(self, tuple(thread for _, thread in kept), pending)
        return found

    def follow(self, state: State, byte: int) -> State | None:
        """The state behind a byte."""
        with self._lock:
            if byte == _ANY_BYTE:
                return self.content(state, ANY)
            if byte < 0x80 and not state.pending:
                return self._follow_character(state, chr(byte))
            return self._follow_partial(state, state.pending + bytes([byte]))

    def first_bytes(self, state: State) -> frozenset[int]:
        """See State.first_bytes."""
        if state.pending:
            reading = advance_utf8(COMPLETE, state.pending) or COMPLETE
            return frozenset(range(reading[1], reading[2] + 1))
        with self._lock:
            return frozenset().union(*map(self.reader.first_bytes, state.threads))

    def content(self, state: State, encoded: str) -> State | None:
        """The state behind one character of a string, as the library reads it."""
        with self._lock:
            threads = [after for thread in state.threads for after in self.reader.content(thread, encoded)]
            return self.state(threads) if threads else None

    def cell(self, state: State, horizon: int | None) -> MaskCell:
        """Where the mask of a state of one thread is kept."""
        with self._lock:
            key = state.pending, *(thread.key(horizon) for thread in state.threads)
            return self.cells.setdefault(key, MaskCell())

    def _follow_character(self, state: State, character: str) -> State | None:
        threads = [after for thread in state.threads for after in self.reader.after(thread, character)]
        return self.state(threads) if threads else None

    def _follow_partial(self, state: State, pending: bytes) -> State | None:
        reading = advance_utf8(COMPLETE, pending)
        if reading is None:
            return None
        if reading == COMPLETE:
            return self._follow_character(state, pending.decode())
        due, low, high = reading
        lowest, highest = (
            ord((pending + bytes([first]) + bytes([rest]) * (due - 1)).decode())
            for first, rest in ((low, 0x80), (high, 0xBF))
        )
        threads = [thread for thread in state.threads if self.reader.admits(thread, lowest, highest)]
        return self.state(threads, pending) if threads else None

    def _forget(self) -> None:
        self._states = {}
        self.cells = {}
        self._root = self.state(self.reader.start)
