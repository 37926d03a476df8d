"""Texts that end an answer's content before them (OpenAI's `stop`), found in text that comes in pieces."""

from __future__ import annotations

from collections.abc import Sequence


class StopTexts:
    """Watches one text. What might be the beginning of a stop text is held back until it is known."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.found: str | None = None
        """The stop text that was found; what came behind it is gone."""

    def push(self, text: str) -> str:
        """The text that is sure to stand before any stop text."""
        if self.found is not None:
            return ""
        text = self._held + text
        found = [stop for stop in self._stops if stop in text]
        if found:
            # Whichever is complete first, the longest of those: so the cut is where generating one character at a time
            # would have ended, however the text is cut into pieces.
            self.found = min(found, key=lambda stop: (text.index(stop) + len(stop), -len(stop)))
            self._held = ""
            return text[: text.index(self.found)]
        begun = max((_begun(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - begun :]
        return text[: len(text) - begun]

    def finish(self) -> str:
        """What is held back, once no more text comes."""
        held, self._held = self._held, ""
        return held


def _begun(text: str, stop: str) -> int:
    """Length of the longest end of `text` that `stop` begins with."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)
