r"""Values as Python and JSON write them, also mixed: `{"a": True, 'b': [null, 1e-3], 'c': ('it' "'s",)}`.

Corpora print calls with `str()`, with `json.dumps()` or by a model that mixes both. This reads what either writes,
and nothing else: no names, no operators, no calls, so nothing downloaded is ever evaluated. Time is linear in the
text, depth is bounded.

What both notations write differently means:

- adjacent strings are one string, as in Python: `'it''s'` is `its`; single, double and triple quotes; no prefixes
- escapes are Python's, and JSON's `\/`; an unknown escape keeps its backslash, as in Python; two halves of a
  character (`\ud83d\ude00`) are the character, as in JSON
- a line break inside quotes stands for itself: neither notation allows it, but its meaning is plain
- tuples are lists; a key that is a number, a boolean or null becomes its JSON text, as `json.dumps` has it
- NaN, infinities, numbers beyond a double and a key written twice are refused
"""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Any

from octupus.conversation import json_text

MAXIMUM_DEPTH = 100

_CONSTANTS = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}
_WHITESPACE = re.compile(r"\s*")
_WORD = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.])")
_STOPS = {quote: re.compile(rf"\\|{quote}") for quote in ("'", '"', "'''", '"""')}
_ESCAPES = {
    "\\": "\\",
    "'": "'",
    '"': '"',
    "/": "/",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\n": "",
}
_CODE_POINT = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|N\{([^{}]+)\}")
_SURROGATE = re.compile("[\ud800-\udfff]")


class LiteralError(ValueError):
    """A text holds no literal; `position` counts characters from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} at character {position}")
        self.position = position


def parse_literal(text: str, position: int = 0) -> tuple[Any, int]:
    """The literal at `position`, behind any whitespace, and where it ends. Raises LiteralError."""
    return _value(text, position, MAXIMUM_DEPTH)


def parse_whole_literal(text: str) -> Any:
    """The literal that is the whole text. Raises LiteralError."""
    value, end = parse_literal(text)
    end = skip_whitespace(text, end)
    if end < len(text):
        raise LiteralError("expected the end", end)
    return value


def skip_whitespace(text: str, position: int) -> int:
    """The first position from `position` on that holds no whitespace."""
    match = _WHITESPACE.match(text, position)
    return match.end() if match else position


def _value(text: str, position: int, depth: int) -> tuple[Any, int]:
    position = skip_whitespace(text, position)
    if depth == 0:
        raise LiteralError("nested too deeply", position)
    first = text[position : position + 1]
    if first in ("'", '"'):
        return _strings(text, position)
    if first == "{":
        return _dictionary(text, position + 1, depth - 1)
    if first == "[":
        items, end, _ = _items(text, position + 1, "]", depth - 1)
        return items, end
    if first == "(":
        items, end, comma = _items(text, position + 1, ")", depth - 1)
        return (items[0] if len(items) == 1 and not comma else items), end
    number = _NUMBER.match(text, position)
    if number:
        return _number(number.group(), position), number.end()
    word = _WORD.match(text, position)
    if word and word.group() in _CONSTANTS:
        return _CONSTANTS[word.group()], word.end()
    raise LiteralError(f"expected a literal, not {text[position : position + 20]!r},", position)


def _number(written: str, position: int) -> int | float:
    try:
        value = float(written) if re.search("[.eE]", written) else int(written)
    except ValueError as error:  # Python bounds the digits of an integer
        raise LiteralError("a number of too many digits", position) from error
    if isinstance(value, float) and not math.isfinite(value):
        raise LiteralError("a number beyond a double", position)
    return value


def _items(text: str, position: int, closing: str, depth: int) -> tuple[list[Any], int, bool]:
    """The values up to `closing`, the end behind it, and whether there was a comma; one may stand last."""
    items: list[Any] = []
    comma = False
    while True:
        position = skip_whitespace(text, position)
        if text.startswith(closing, position):
            return items, position + 1, comma
        value, position = _value(text, position, depth)
        items.append(value)
        position = skip_whitespace(text, position)
        if not text.startswith(",", position):
            return items, _expect(text, position, closing), comma
        comma = True
        position += 1


def _dictionary(text: str, position: int, depth: int) -> tuple[dict[str, Any], int]:
    result: dict[str, Any] = {}
    while True:
        position = skip_whitespace(text, position)
        if text.startswith("}", position):
            return result, position + 1
        start = position
        key, position = _value(text, position, depth)
        if isinstance(key, list | dict):
            raise LiteralError("a key must be a string", start)
        name = key if isinstance(key, str) else json_text(key)
        if name in result:
            raise LiteralError(f"key {name!r} is written twice", start)
        position = _expect(text, skip_whitespace(text, position), ":")
        result[name], position = _value(text, position, depth)
        position = skip_whitespace(text, position)
        if not text.startswith(",", position):
            return result, _expect(text, position, "}")
        position += 1


def _expect(text: str, position: int, character: str) -> int:
    if not text.startswith(character, position):
        raise LiteralError(f"expected {character!r}, not {text[position : position + 20]!r},", position)
    return position + 1


def _strings(text: str, position: int) -> tuple[str, int]:
    """One string or several that stand side by side."""
    parts: list[str] = []
    end = position
    while text[position : position + 1] in ("'", '"'):
        part, end = _string(text, position)
        parts.append(part)
        position = skip_whitespace(text, end)
    value = "".join(parts)
    if _SURROGATE.search(value):
        value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return value, end


def _string(text: str, start: int) -> tuple[str, int]:
    quote = text[start]
    if text.startswith(quote * 3, start):
        quote *= 3
    parts: list[str] = []
    position = start + len(quote)
    while True:
        stop = _STOPS[quote].search(text, position)
        if not stop:
            raise LiteralError("a string that does not end", start)
        parts.append(text[position : stop.start()])
        if stop.group() == quote:
            return "".join(parts), stop.end()
        character, position = _escape(text, stop.end())
        parts.append(character)


def _escape(text: str, position: int) -> tuple[str, int]:
    """The character that is escaped at `position`, behind the backslash."""
    letter = text[position : position + 1]
    if letter in _ESCAPES:
        return _ESCAPES[letter], position + 1
    code = _CODE_POINT.match(text, position)
    if not code:
        if letter in ("x", "u", "U", "N", ""):
            raise LiteralError("a broken escape", position - 1)
        return "\\" + letter, position + 1
    two, four, eight, octal, name = code.groups()
    try:
        if name:
            return unicodedata.lookup(name), code.end()
        return chr(int(octal, 8) if octal else int(two or four or eight, 16)), code.end()
    except (KeyError, ValueError, OverflowError) as error:
        raise LiteralError("an escape of no character", position - 1) from error
