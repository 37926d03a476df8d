"""The JSON object that is a tool call in the hermes dialect, read piece by piece as a model writes it."""

from __future__ import annotations

import json
from collections.abc import Callable

_WHITESPACE = " \t\n\r"


class CallBody:
    """Reads `{"name": NAME, "arguments": ARGUMENTS}`, keys in any order, and gives the arguments as raw text.

    Total: `problem` names the first thing that is not such an object. The inside of ARGUMENTS is not judged: it ends
    where its brackets are closed.
    """

    def __init__(self) -> None:
        self.problem: str | None = None
        self.named = False
        """Whether the name has been given out."""
        self.unread = ""
        """All text so far, until the name is given out: what is left of a call that names no function."""
        self._step: Callable[[str], None] = self._open
        self._name: str | None = None
        self._pending: list[str] = []
        self._seen: set[str] = set()
        self._key = ""
        self._take: Callable[[str], None] = self._take_key
        self._value: list[str] = []
        self._depth = 0
        self._quoted = self._escaped = False

    def push(self, text: str) -> tuple[str | None, str] | None:
        """What `text` adds: the name, the first time, and a piece of the arguments; None when nothing is added."""
        if not self.named:
            self.unread += text
        for character in text:
            self._step(character)
        if self._name is None:
            return None
        name = None if self.named else self._name
        arguments = "".join(self._pending)
        self._pending.clear()
        self.named = True
        self.unread = ""
        return (name, arguments) if name is not None or arguments else None

    def finish(self) -> None:
        """Note what is missing once the body has ended."""
        if self._step != self._closed:
            self._fail("ends before its JSON object does")
        for key in ("name", "arguments"):
            if key not in self._seen:
                self._fail(f"has no {key}")

    def _open(self, character: str) -> None:
        if character == "{":
            self._step = self._first_key
        elif character not in _WHITESPACE:
            self._fail("is no JSON object")

    def _first_key(self, character: str) -> None:
        if character == "}":
            self._step = self._closed
        else:
            self._before_key(character)

    def _before_key(self, character: str) -> None:
        if character == '"':
            self._start(character, self._take_key, [])
        elif character not in _WHITESPACE:
            self._fail("has something else where a key belongs")

    def _colon(self, character: str) -> None:
        if character == ":":
            self._step = self._before_value
        elif character not in _WHITESPACE:
            self._fail("has no colon behind a key")

    def _before_value(self, character: str) -> None:
        if character in ",:}]":
            self._fail(f"has no value for {self._key!r}")
        elif character not in _WHITESPACE:
            first_arguments = self._key == "arguments" and "arguments" not in self._seen
            self._start(character, self._take_value, self._pending if first_arguments else [])

    def _next(self, character: str) -> None:
        if character == ",":
            self._step = self._before_key
        elif character == "}":
            self._step = self._closed
        elif character not in _WHITESPACE:
            self._fail("has no comma between its members")

    def _closed(self, character: str) -> None:
        if character not in _WHITESPACE:
            self._fail("has text behind its JSON object")

    def _broken(self, character: str) -> None:
        """The rest of a broken body is not read."""

    def _start(self, character: str, take: Callable[[str], None], value: list[str]) -> None:
        """Begin a key or a value, whose text goes to `value` and at its end to `take`."""
        self._take, self._value = take, value
        self._depth, self._quoted, self._escaped = 0, False, False
        self._step = self._inside
        self._inside(character)

    def _inside(self, character: str) -> None:
        """Inside a key or a value, which ends at its last quote or bracket, or in front of what follows a scalar."""
        if self._quoted:
            self._value.append(character)
            if self._escaped:
                self._escaped = False
            elif character == "\\":
                self._escaped = True
            elif character == '"':
                self._quoted = False
                if self._depth == 0:
                    self._take("".join(self._value))
        elif self._depth == 0 and character in " \t\n\r,:}]":
            self._take("".join(self._value))
            self._step(character)
        else:
            self._value.append(character)
            self._quoted = character == '"'
            if character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                if self._depth == 0:
                    self._take("".join(self._value))

    def _take_key(self, text: str) -> None:
        key = _string(text)
        self._step = self._colon
        if key is None:
            self._fail("has a key that is no proper text")
        else:
            self._key = key

    def _take_value(self, text: str) -> None:
        self._step = self._next
        if self._key in self._seen:
            self._note(f"has {self._key!r} twice")
        elif self._key == "name":
            self._name = _string(text)
            if self._name is None:
                self._fail("has a name that is no proper text")
        elif self._key != "arguments":
            self._note(f"has the unknown key {self._key!r}")
        self._seen.add(self._key)

    def _note(self, problem: str) -> None:
        self.problem = self.problem or f"a call {problem}"

    def _fail(self, problem: str) -> None:
        self._note(problem)
        self._step = self._broken


def _string(raw: str) -> str | None:
    """The text that a JSON string spells; None when it is no JSON string or spells half a surrogate pair."""
    if not raw.startswith('"'):
        return None
    try:
        text = str(json.loads(raw))
        text.encode("utf-8")
    except ValueError:
        return None
    return text
