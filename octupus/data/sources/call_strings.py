"""ToolACE's calls: `[Name With Space(a="x", b=[1, 2]), g()]`.

A name may hold anything: spaces, quotes, slashes, dots, parentheses, any script. So the tools' names are given, and
the longest one that stands before a `(` is meant. Argument names may hold anything but `= , ( ) "` and line breaks
(`from`, `as-of`, `7SN.pj`). Values are literals; a bare word (`unit=celsius`) is refused, since a variable such as
the result of another call (`id=user_id`) is written the same way, and passing its name would teach nonsense.

Text in brackets is not always a call: `[Note] No tool can do this [sorry]` is an answer. It counts as calls when a
known name and `(` follow the `[`, or, for a tool that is not offered, a name, `(` and an argument or `)`. What counts
as calls and cannot be read is an error, never text, and so is a text with a known tool's call in it: trained as text
it would teach calls that no one can execute.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from octupus.data.sources.literals import LiteralError, parse_literal, skip_whitespace
from octupus.data.sources.turns import Call

_ARGUMENT_NAME = re.compile(r"""([^\s=,()"'][^=,()"\n]*)=""")
_UNKNOWN = re.compile(r"""([^\s\[\]][^\[\]\n]{0,200}?)\s*\((?=\s*(?:[^\s=,()"'][^=,()"\n]*=|\)\s*[,\]]))""")
"""A name of a tool that is not offered, up to and with the parenthesis that opens its arguments."""


class CallStringError(ValueError):
    """Calls that cannot be read; `position` counts characters from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} at character {position}")
        self.position = position


def parse_calls(text: str, names: Iterable[str]) -> tuple[Call, ...] | None:
    """The calls that are the whole text, None when it is text. `names` are the offered tools'.

    Calls of tools that are not offered are returned like others. Raises CallStringError.
    """
    longest_first = sorted(filter(str.strip, names), key=lambda name: len(name.strip()), reverse=True)
    start = skip_whitespace(text, 0)
    if text.startswith("[", start):
        if _head(text, start + 1, longest_first):
            return _calls(text, start + 1, longest_first)
        if text[start + 1 :].strip() == "]":
            raise CallStringError("a list of no calls", start)
    inside = [match.end() for match in re.finditer(r"\[", text)]
    for position in (start, *inside):
        known = _known_head(text, position, longest_first)
        if known:
            raise CallStringError(f"a call of {known[0]!r} inside a text", position)
    return None


def _calls(text: str, position: int, names: Sequence[str]) -> tuple[Call, ...]:
    calls: list[Call] = []
    while True:
        head = _head(text, position, names)
        if not head:
            raise CallStringError(f"expected a call, not {text[position : position + 20]!r},", position)
        name, position = head
        arguments, position = _arguments(text, position)
        calls.append(Call(name, arguments))
        position = skip_whitespace(text, position)
        if not text.startswith(",", position):
            break
        position += 1
    if not text.startswith("]", position):
        raise CallStringError(f"expected ',' or ']', not {text[position : position + 20]!r},", position)
    if text[position + 1 :].strip():
        raise CallStringError("text behind the calls", position + 1)
    return tuple(calls)


def _head(text: str, position: int, names: Sequence[str]) -> tuple[str, int] | None:
    """The name at `position`, and where its arguments begin."""
    known = _known_head(text, position, names)
    if known:
        return known
    unknown = _UNKNOWN.match(text, skip_whitespace(text, position))
    return (unknown[1], unknown.end()) if unknown else None


def _known_head(text: str, position: int, names: Sequence[str]) -> tuple[str, int] | None:
    position = skip_whitespace(text, position)
    for name in names:
        # Blanks around a name in the tool's definition are not repeated in calls.
        if text.startswith(name.strip(), position):
            end = skip_whitespace(text, position + len(name.strip()))
            if text.startswith("(", end):
                return name, end + 1
    return None


def _arguments(text: str, position: int) -> tuple[dict[str, Any], int]:
    """The arguments up to the closing parenthesis, and the end behind it."""
    arguments: dict[str, Any] = {}
    while True:
        position = skip_whitespace(text, position)
        if text.startswith(")", position):
            return arguments, position + 1
        named = _ARGUMENT_NAME.match(text, position)
        if not named:
            raise CallStringError(f"expected an argument, not {text[position : position + 20]!r},", position)
        name = named[1].rstrip()
        if name in arguments:
            raise CallStringError(f"argument {name!r} is written twice", position)
        try:
            arguments[name], position = parse_literal(text, named.end())
        except LiteralError as error:
            raise CallStringError(f"argument {name!r}: {error}", error.position) from error
        position = skip_whitespace(text, position)
        if text.startswith(",", position):
            position += 1
        elif not text.startswith(")", position):
            raise CallStringError(f"expected ',' or ')', not {text[position : position + 20]!r},", position)
