"""Follows one value: a list of states, one for each accepted token."""

from __future__ import annotations

from octupus.decoding.lm_format_enforcer.automaton import State
from octupus.decoding.lm_format_enforcer.masks import Masks
from octupus.decoding.vocabulary import Mask

_MOST_FORCED = 64


class FormatEnforcerMatcher:
    """See ArgumentsMatcher."""

    def __init__(self, masks: Masks, token_bytes: list[bytes], states: list[State]) -> None:
        self._masks = masks
        self._token_bytes = token_bytes
        self._states = states

    def fill(self, row: Mask) -> None:
        """See ArgumentsMatcher.fill."""
        row[:] = self._masks.mask(self._states[-1])

    def accept(self, token_id: int) -> bool:
        """See ArgumentsMatcher.accept."""
        following = self._after(self._states[-1], token_id)
        if following is None:
            return False
        self._states.append(following)
        return True

    def rollback(self, count: int) -> None:
        """See ArgumentsMatcher.rollback."""
        if count >= len(self._states):
            raise ValueError(f"cannot take back {count} of {len(self._states) - 1} tokens")
        del self._states[len(self._states) - count :]

    def can_end(self) -> bool:
        """See ArgumentsMatcher.can_end."""
        return self._states[-1].can_end

    def forced(self) -> list[int]:
        """See ArgumentsMatcher.forced."""
        found: list[int] = []
        state: State | None = self._states[-1]
        # Where the value may end, whether it goes on is a choice.
        while state is not None and not state.can_end and len(found) < _MOST_FORCED:
            token_id = self._masks.forced(state)
            if token_id is None:
                break
            found.append(token_id)
            state = self._after(state, token_id)
        return found

    def fork(self) -> FormatEnforcerMatcher:
        """See ArgumentsMatcher.fork."""
        return FormatEnforcerMatcher(self._masks, self._token_bytes, list(self._states))

    def _after(self, state: State, token_id: int) -> State | None:
        text = self._token_bytes[token_id] if 0 <= token_id < len(self._token_bytes) else b""
        return state.after_text(text) if text else None
