"""A character-level reader of RFC 8259 JSON that says which characters may come next.

It narrows what a looser character-level parser admits: trailing commas, control characters inside strings, numbers
such as `1.e5` or `01`, unpaired surrogate escapes. States are immutable; white space between tokens is left to the
parser beside it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_DIGITS = frozenset("0123456789")
_WHITE_SPACE = frozenset(" \t\n\r")


class Position(enum.Enum):
    """Where the reader stands."""

    VALUE = enum.auto()
    KEY_OR_END = enum.auto()
    KEY = enum.auto()
    COLON = enum.auto()
    AFTER_VALUE = enum.auto()
    ITEM_OR_END = enum.auto()
    STRING = enum.auto()
    ESCAPE = enum.auto()
    HEXADECIMAL = enum.auto()
    NUMBER = enum.auto()
    LITERAL = enum.auto()


@dataclass(frozen=True, slots=True)
class JsonReader:
    """Immutable; `after(character)` is the next state, or None when the character cannot stand there."""

    position: Position = Position.VALUE
    open: str = ""
    """The brackets still open, outermost first."""
    is_key: bool = False
    partial: str = ""
    """The number, literal, or escape read so far."""
    low_surrogate_due: bool = False

    def after(self, character: str) -> JsonReader | None:
        """The state behind `character`."""
        match self.position:
            case Position.STRING:
                return self._in_string(character)
            case Position.ESCAPE:
                return self._in_escape(character)
            case Position.HEXADECIMAL:
                return self._in_hexadecimal(character)
            case Position.NUMBER:
                if number_continues(self.partial, character):
                    return replace(self, partial=self.partial + character)
                return self._value_ended().after(character) if number_complete(self.partial) else None
            case Position.LITERAL:
                return self._in_literal(character)
        if character in _WHITE_SPACE:
            return self
        return self._between_tokens(character)

    def can_end(self) -> bool:
        """Whether one whole value has been read."""
        if self.open:
            return False
        if self.position is Position.NUMBER:
            return number_complete(self.partial)
        return self.position is Position.AFTER_VALUE

    def _between_tokens(self, character: str) -> JsonReader | None:
        position = self.position
        if position in (Position.KEY, Position.KEY_OR_END):
            if character == '"':
                return replace(self, position=Position.STRING, is_key=True)
            return self._closed("{") if character == "}" and position is Position.KEY_OR_END else None
        if position is Position.COLON:
            return replace(self, position=Position.VALUE) if character == ":" else None
        if position is Position.AFTER_VALUE:
            innermost = self.open[-1:]
            if character == "," and innermost:
                return replace(self, position=Position.KEY if innermost == "{" else Position.VALUE)
            if character in "}]" and innermost:
                return self._closed("{" if character == "}" else "[")
            return None
        if character == "]" and position is Position.ITEM_OR_END:
            return self._closed("[")
        return self._starts_value(character)

    def _starts_value(self, character: str) -> JsonReader | None:
        if character == '"':
            return replace(self, position=Position.STRING, is_key=False)
        if character == "{":
            return replace(self, position=Position.KEY_OR_END, open=self.open + "{")
        if character == "[":
            return replace(self, position=Position.ITEM_OR_END, open=self.open + "[")
        if character == "-" or character in _DIGITS:
            return replace(self, position=Position.NUMBER, partial=character)
        if character in "tfn":
            return replace(self, position=Position.LITERAL, partial=character)
        return None

    def _in_string(self, character: str) -> JsonReader | None:
        if self.low_surrogate_due and character != "\\":
            return None
        if character == '"':
            return replace(self, position=Position.COLON, is_key=False) if self.is_key else self._value_ended()
        if character == "\\":
            return replace(self, position=Position.ESCAPE)
        return None if character < " " else self

    def _in_escape(self, character: str) -> JsonReader | None:
        if character == "u":
            return replace(self, position=Position.HEXADECIMAL, partial="")
        if character in '"\\/bfnrt' and not self.low_surrogate_due:
            return replace(self, position=Position.STRING)
        return None

    def _in_hexadecimal(self, character: str) -> JsonReader | None:
        digits = self.partial + character
        if character not in _HEXADECIMAL:
            return None
        is_low = len(digits) >= 2 and digits[0] in "dD" and digits[1] in "cdefCDEF"
        if len(digits) >= 2 and is_low != self.low_surrogate_due:
            return None
        if self.low_surrogate_due and digits[0] not in "dD":
            return None
        if len(digits) < 4:
            return replace(self, partial=digits)
        is_high = digits[0] in "dD" and digits[1] in "89abAB"
        return replace(self, position=Position.STRING, partial="", low_surrogate_due=is_high)

    def _in_literal(self, character: str) -> JsonReader | None:
        text = self.partial + character
        for literal in ("true", "false", "null"):
            if literal == text:
                return self._value_ended()
            if literal.startswith(text):
                return replace(self, partial=text)
        return None

    def _value_ended(self) -> JsonReader:
        return replace(self, position=Position.AFTER_VALUE, partial="", is_key=False)

    def _closed(self, bracket: str) -> JsonReader | None:
        if self.open[-1:] != bracket:
            return None
        return replace(self, position=Position.AFTER_VALUE, open=self.open[:-1])


def number_complete(text: str) -> bool:
    """Whether `text` is a whole JSON number."""
    return text[-1:].isdigit()


def number_continues(text: str, character: str) -> bool:
    """Whether `text`, the beginning of a JSON number, may go on with `character`."""
    last = text[-1]
    has_exponent = "e" in text or "E" in text
    if character in _DIGITS:
        return text.lstrip("-") != "0"
    if character == ".":
        return last.isdigit() and "." not in text and not has_exponent
    if character in "eE":
        return last.isdigit() and not has_exponent
    return character in "+-" and last in "eE"
