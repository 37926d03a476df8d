"""Reading a pattern: a check that its text means the same to Python, Rust and ECMAScript, then Python's own parser."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from octupus.schema.patterns.errors import PatternError

MOST_CHARACTERS = 50_000
DEEPEST_GROUPS = 64

_LETTER_ESCAPES = frozenset("dDwWsSnrtfv")
_REPEAT = re.compile(r"\{[0-9]{1,9}(,[0-9]{0,9})?\}")
_GROUP_NAME = re.compile(r"\?P?<[A-Za-z_][A-Za-z0-9_]*>")
_HEXADECIMAL = {
    "x": re.compile(r"x([0-9A-Fa-f]{2})"),
    "u": re.compile(r"u(?:([0-9A-Fa-f]{4})|\{([0-9A-Fa-f]{1,6})\})"),
}
_TRAIL = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})")
_SET_OPERATORS = ("--", "&&", "~~", "||")


def parse(text: str) -> Any:
    """Python's syntax tree (`re._parser.SubPattern`) of a pattern. Raises PatternError."""
    if len(text) > MOST_CHARACTERS:
        raise PatternError(f"a pattern of {len(text)} characters is longer than {MOST_CHARACTERS}")
    translated = "".join(_translated(text))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _parser.parse(translated)
    except (re.error, OverflowError) as error:
        raise PatternError(f"{_shown(text)} is no regular expression: {error}") from error


def _shown(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:100] + "...")


def _translated(text: str) -> Iterator[str]:
    """The pattern in Python's syntax, piece by piece."""
    at, depth = 0, 0
    while at < len(text):
        character = text[at]
        if character == "\\":
            piece, at = _escape(text, at, in_class=False)
        elif character == "[":
            piece, at = _character_class(text, at)
        elif character == "(":
            depth += 1
            if depth > DEEPEST_GROUPS:
                raise PatternError(f"{_shown(text)} nests more than {DEEPEST_GROUPS} groups")
            piece, at = _group(text, at)
        elif character == "{":
            piece, at = _repeat(text, at)
        else:
            depth -= character == ")"
            # A lone closing bracket or brace is itself, and white space has no meaning of its own.
            piece, at = character, at + 1
        if (piece in "*+?" or piece[0] == "{") and text[at : at + 1] == "+":
            raise PatternError(f"{_shown(text)} holds a possessive quantifier, which ECMAScript does not have")
        yield piece


def _group(text: str, at: int) -> tuple[str, int]:
    if text[at + 1 : at + 2] != "?" or text.startswith("?:", at + 1):
        return "(?:", at + (3 if text.startswith("?:", at + 1) else 1)
    name = _GROUP_NAME.match(text, at + 1)
    if name is not None:
        return "(?:", name.end()
    raise PatternError(
        f"{_shown(text)} holds {text[at : at + 4]!r}: lookaround, flags, conditions and atomic groups are not supported"
    )


def _repeat(text: str, at: int) -> tuple[str, int]:
    found = _REPEAT.match(text, at)
    if found is None:
        raise PatternError(
            f"{_shown(text)} holds a brace at {at} that is no repetition {{n}}, {{n,}} or {{n,m}}: write \\{{"
        )
    return found[0], found.end()


def _character_class(text: str, at: int) -> tuple[str, int]:
    pieces = ["["]
    at += 1
    if text.startswith("^", at):
        pieces.append("^")
        at += 1
    if text.startswith("]", at):
        raise PatternError(f"{_shown(text)} holds an empty class at {at}: write \\] for a bracket")
    while at < len(text) and text[at] != "]":
        if text[at] == "[":
            raise PatternError(
                f"{_shown(text)} holds a bracket inside a class at {at}, which engines differ on: write \\["
            )
        if text[at : at + 2] in _SET_OPERATORS:
            raise PatternError(
                f"{_shown(text)} holds {text[at : at + 2]!r} inside a class, which engines differ on: use \\"
            )
        if text[at] == "\\":
            piece, at = _escape(text, at, in_class=True)
        else:
            piece, at = text[at], at + 1
        pieces.append(piece)
    if at >= len(text):
        raise PatternError(f"{_shown(text)} holds a class that does not end")
    return "".join(pieces) + "]", at + 1


def _escape(text: str, at: int, *, in_class: bool) -> tuple[str, int]:
    """One escape, `at` its backslash."""
    character = text[at + 1 : at + 2]
    if character in _HEXADECIMAL:
        found = _HEXADECIMAL[character].match(text, at + 1)
        if found is not None:
            return _code_point(text, int(found[found.lastindex or 0], 16), found.end())
    elif character in _LETTER_ESCAPES:
        return "\\" + character, at + 2
    elif character == "b" and in_class:
        return "\\x08", at + 2
    elif character == "0" and not text[at + 2 : at + 3].isdigit():
        return "\\x00", at + 2
    elif character and not (character.isalnum() and character.isascii()):
        return re.escape(character), at + 2
    raise PatternError(f"{_shown(text)} holds the escape \\{character}, which is not supported")


def _code_point(text: str, code: int, end: int) -> tuple[str, int]:
    trail = _TRAIL.match(text, end)
    if 0xD800 <= code <= 0xDBFF and trail is not None:
        code, end = 0x10000 + ((code - 0xD800) << 10) + int(trail[1], 16) - 0xDC00, trail.end()
    if code > 0x10FFFF:
        raise PatternError(f"{_shown(text)} names the code point {code:X}, which does not exist")
    return f"\\U{code:08X}", end
