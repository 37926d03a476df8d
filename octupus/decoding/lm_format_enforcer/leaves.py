"""Parsers for the values that the library's own parsers do not hold exactly: numbers and mixed enumerations.

They plug into the library through its interface for parsers, CharacterLevelParser.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache

from lmformatenforcer import CharacterLevelParser

from octupus.decoding.strict_json import number_complete, number_continues

MOST_DIGITS = 40
"""Before and after the decimal point; with MOST_EXPONENT_DIGITS it keeps every number within a double."""
MOST_EXPONENT_DIGITS = 2
_NUMBER_CHARACTERS = "-0123456789+.eE"
_SAME_DIGITS = str.maketrans("123456789", "111111111")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The integers a number may be, both ends included; None leaves an end open."""

    minimum: int | None = None
    maximum: int | None = None

    def holds(self, lowest: int, highest: int) -> bool:
        """Whether some integer from `lowest` to `highest` is within."""
        return (self.maximum is None or lowest <= self.maximum) and (self.minimum is None or highest >= self.minimum)

    def reachable(self, text: str) -> bool:
        """Whether the beginning of an integer can be completed to one within, in MOST_DIGITS digits."""
        digits = text.lstrip("-")
        sign = -1 if text.startswith("-") else 1
        if not digits:
            return self.holds(1 - 10**MOST_DIGITS, 0)
        prefix = int(digits)
        for further in range(MOST_DIGITS - len(digits) + 1 if prefix else 1):
            ends = sign * prefix * 10**further, sign * ((prefix + 1) * 10**further - 1)
            if self.holds(min(ends), max(ends)):
                return True
        return False

    def indifferent(self, text: str) -> bool:
        """Whether every completion of `text` is within."""
        if text.lstrip("-") in ("", "0"):
            return self.minimum is None and self.maximum is None
        value = int(text)
        if value < 0:
            return self.minimum is None and (self.maximum is None or value <= self.maximum)
        return self.maximum is None and (self.minimum is None or value >= self.minimum)


class NumberParser(CharacterLevelParser):  # type: ignore[misc]
    """A JSON number (RFC 8259); with `bounds`, an integer written without fraction and exponent."""

    def __init__(self, bounds: Bounds | None, text: str = "") -> None:
        self._bounds = bounds
        self._text = text

    def add_character(self, new_character: str) -> NumberParser:
        """See CharacterLevelParser."""
        return NumberParser(self._bounds, self._text + new_character)

    def get_allowed_characters(self) -> str:
        """See CharacterLevelParser."""
        return "".join(character for character in _NUMBER_CHARACTERS if self._continues(character))

    def can_end(self) -> bool:
        """See CharacterLevelParser."""
        if not number_complete(self._text):
            return False
        return self._bounds is None or self._bounds.holds(int(self._text), int(self._text))

    def state(self) -> Hashable:
        """Equal for parsers that go on alike."""
        if self._bounds is None or self._bounds.indifferent(self._text):
            return "number", self._bounds, self._text.translate(_SAME_DIGITS)
        return "number", self._bounds, (self._text,)

    def _continues(self, character: str) -> bool:
        text = self._text + character
        if self._bounds is not None and character in "+.eE":
            return False
        begun = number_continues(self._text, character) if self._text else character in "-0123456789"
        if not begun or _longest_part(text) > MOST_DIGITS or len(_exponent(text)) > MOST_EXPONENT_DIGITS:
            return False
        return self._bounds is None or self._bounds.reachable(text)


def _longest_part(text: str) -> int:
    mantissa = text.lower().split("e")[0]
    return max(len(part.lstrip("-")) for part in mantissa.split("."))


def _exponent(text: str) -> str:
    _, _, exponent = text.lower().partition("e")
    return exponent.lstrip("+-")


class LiteralParser(CharacterLevelParser):  # type: ignore[misc]
    """One of some texts that stand without quotes: numbers, true, false, null."""

    def __init__(self, texts: tuple[str, ...], prefix: str = "") -> None:
        self._texts = texts
        self._prefix = prefix

    def add_character(self, new_character: str) -> LiteralParser:
        """See CharacterLevelParser."""
        return LiteralParser(self._texts, self._prefix + new_character)

    def get_allowed_characters(self) -> str:
        """See CharacterLevelParser."""
        return _continuations(self._texts).get(self._prefix, "")

    def can_end(self) -> bool:
        """See CharacterLevelParser."""
        return self._prefix in self._texts

    def state(self) -> Hashable:
        """Equal for parsers that go on alike."""
        return "literal", self._texts, self._prefix


@lru_cache(maxsize=256)
def _continuations(texts: tuple[str, ...]) -> dict[str, str]:
    """The characters that may follow each beginning of a text."""
    following: dict[str, set[str]] = {}
    for text in texts:
        for position, character in enumerate(text):
            following.setdefault(text[:position], set()).add(character)
    return {prefix: "".join(sorted(characters)) for prefix, characters in following.items()}
