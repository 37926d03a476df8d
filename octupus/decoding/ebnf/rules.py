"""Rules of a grammar under construction, and what stops one."""

from __future__ import annotations

MOST_CHARACTERS = 1_000_000
"""Of a whole grammar."""
MOST_COST = 1000
"""Of a whole grammar, in milliseconds that compiling is expected to take."""

COMMA, COLON = '"," " "?', '":" " "?'


class Inexpressible(Exception):
    """A keyword cannot be written exactly as a grammar, or only as one too large."""

    def __init__(self, keyword: str, explanation: str) -> None:
        super().__init__(f"{keyword}: {explanation}")
        self.keyword = keyword
        self.explanation = explanation


class Rules:
    """Named rules in the order they were added; equal bodies share one."""

    def __init__(self) -> None:
        self._bodies: dict[str, str] = {}
        self._by_body: dict[str, str] = {}
        self._characters = 0
        self._cost: float = 0

    def spend(self, milliseconds: float, keyword: str) -> None:
        """Count what a keyword costs. Raises Inexpressible when all cost too much together."""
        if self._cost + milliseconds > MOST_COST:
            raise Inexpressible(keyword, f"compiling it would take longer than {MOST_COST} ms")
        self._cost += milliseconds

    def add(self, body: str) -> str:
        """The name of a rule with this body. Raises Inexpressible when the grammar grows too large."""
        known = self._by_body.get(body)
        return known if known is not None else self.define(self.reserve(), body)

    def reserve(self) -> str:
        """A name to be defined later, for rules that refer to themselves."""
        name = f"r{len(self._bodies)}"
        self._bodies[name] = ""
        return name

    def define(self, name: str, body: str) -> str:
        """Give a reserved name its body, and return the name."""
        self._characters += len(body)
        if self._characters > MOST_CHARACTERS:
            raise Inexpressible("", "the schema is too large")
        self._bodies[name] = body
        self._by_body[body] = name
        return name

    def text(self, root: str) -> str:
        """The whole grammar; `root` is the body of its first rule."""
        lines = [f"{name} ::= {body}" for name, body in self._bodies.items() if body]
        return "\n".join([f"root ::= {root}", *lines, ""])


def literal(text: str) -> str:
    """A terminal that stands for exactly `text`."""
    return '"' + "".join(map(_escaped, text)) + '"'


def either(alternatives: list[str]) -> str:
    """Alternatives in brackets, or the only one."""
    return alternatives[0] if len(alternatives) == 1 else f"({' | '.join(alternatives)})"


def repeated(item: str, least: int, most: int | None) -> str:
    """`item`, which must be one symbol, between `least` and `most` times."""
    if (least, most) == (1, 1):
        return item
    if most == 0:
        return '""'
    if most is None and least < 2:
        return item + "*+"[least]
    return f"{item}{{{least},{'' if most is None else most}}}"


def _escaped(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    return f"\\U{ord(character):08x}"


def is_text(value: str) -> bool:
    """Whether no half of a surrogate pair stands alone in it, which no UTF-8 text can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in value)
