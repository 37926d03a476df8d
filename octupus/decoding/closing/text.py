"""Closing plans of text that a pattern describes as a whole, such as the `regex` or `choice` of a request."""

from __future__ import annotations

from octupus.decoding.arguments import ArgumentsMatcher
from octupus.decoding.closing.characters import ending, endings
from octupus.decoding.closing.costs import FAR
from octupus.decoding.closing.pieces import Pieces
from octupus.decoding.closing.search import search_path
from octupus.decoding.vocabulary import COMPLETE, TokenVocabulary, advance_utf8
from octupus.schema.patterns import Pattern, State

_LONGEST_PENDING = 3
"""Continuation bytes of a character that was begun."""


class TextPlan:
    """See ClosingPlan. The text is written as it is, in UTF-8, so that no character takes more bytes than in JSON."""

    def __init__(self, pattern: Pattern, vocabulary: TokenVocabulary) -> None:
        self.pattern = pattern
        self.pieces = Pieces(vocabulary)
        text = pattern.shortest(pattern.start())
        self.shortest: tuple[int, ...] | None = None if text is None else self.pieces.ids(text)
        self.bound: int | None = None if pattern.distance is None else pattern.distance + _LONGEST_PENDING

    def follower(self) -> TextFollower:
        """A follower at the first character."""
        return TextFollower(self)


class TextFollower:
    """See ClosingFollower."""

    free = False

    def __init__(self, plan: TextPlan) -> None:
        self._plan = plan
        self._state: State = plan.pattern.start()
        self._pending = b""
        self.searches = 0

    def copy(self) -> TextFollower:
        """An independent copy."""
        other = TextFollower.__new__(TextFollower)
        other.__dict__.update(self.__dict__)
        return other

    @property
    def reach(self) -> int:
        """See ClosingFollower.reach."""
        return FAR if self._plan.bound is None or not self._state else self._plan.bound

    def advance(self, data: bytes) -> None:
        """See ClosingFollower.advance."""
        data = self._pending + data
        whole = len(data)
        while whole and advance_utf8(COMPLETE, data[:whole]) != COMPLETE and len(data) - whole < 4:
            whole -= 1
        self._state = self._plan.pattern.after(self._state, data[:whole].decode("utf-8", "replace"))
        self._pending = data[whole:]

    def path(self, matcher: ArgumentsMatcher) -> list[int]:
        """See ClosingFollower.path."""
        pieces = self._plan.pieces
        for first, text in self._completions():
            ids = pieces.from_bytes(first) + pieces.ids(text)
            trial = matcher.fork()
            if all(map(trial.accept, ids)) and trial.can_end():
                return list(ids)
        self.searches += 1
        return search_path(matcher, pieces.vocabulary)

    def _completions(self) -> list[tuple[bytes, str]]:
        pattern = self._plan.pattern
        if not self._pending:
            text = pattern.shortest(self._state)
            return [] if text is None else [(b"", text)]
        found: list[tuple[bytes, str]] = []
        for limit in endings(self._pending) if self._pending[0] >= 0x80 else ():
            text = next(pattern.completions(self._state, limit), None)
            first = None if text is None else ending(self._pending, text[0])
            if text is not None and first is not None:
                found.append((first, text[1:]))
        return found
