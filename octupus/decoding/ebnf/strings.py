"""Strings that a pattern and lengths bound, and keys other than the declared ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from octupus.decoding.ebnf.characters import EVERY, except_for, is_broad, written
from octupus.decoding.ebnf.rules import Inexpressible, Rules, literal
from octupus.schema.patterns.automaton import Automaton, build_automaton
from octupus.schema.patterns.errors import PatternError
from octupus.schema.patterns.syntax import parse

_QUOTE = literal('"')
# Milliseconds that xgrammar 0.2.8 needed for each state of a string, with 151k tokens and two threads.
_BROAD_COST, _NARROW_COST = 50, 12
_KEY_COST = 100
"""For each letter that tells a free key from a declared one."""
_MOST_STATES = 400


def string(schema: Mapping[str, Any], rules: Rules) -> str:
    """The text of a string with its quotes. Raises Inexpressible."""
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if "pattern" in schema:
        return f"{_QUOTE} {_matching(schema['pattern'], least, most, rules)} {_QUOTE}"
    character = rules.add(f'{written(EVERY)} | "\\\\/"')
    if (least, most) == (0, None):
        return f"{_QUOTE} {character}* {_QUOTE}"
    if most is not None and least > most:
        raise Inexpressible("maxLength", "it is below minLength")
    # Counting each character in a rule of its own is slow to compile, and a repetition is slow at every token.
    rules.spend(_BROAD_COST * (least + 1 if most is None else most), "minLength" if most is None else "maxLength")
    rest = f"{character}*" if most is None else '""'
    for count in range(least if most is None else most, 0, -1):
        stop = "" if count <= least else ' | ""'
        rest = rules.add(f"{character} {rest}{stop}")
    return f"{_QUOTE} {rest} {_QUOTE}"


def key_matching(pattern: str, rules: Rules) -> str:
    """A key in which the pattern finds a match. Raises Inexpressible."""
    return f"{_QUOTE} {_matching(pattern, 0, None, rules)} {_QUOTE}"


def key_beside(names: Iterable[str], rules: Rules) -> str:
    """A key that is none of `names`. As every character has one spelling, the letters tell."""
    rest = rules.add(f"{rules.add(written(EVERY))}*")
    root = _Node(rest)
    nodes = [root]
    for name in names:
        node = root
        for character in name:
            if character not in node.children:
                rules.spend(_KEY_COST, "additionalProperties")
                node.children[character] = _Node(rest)
                nodes.append(node.children[character])
            node = node.children[character]
        node.is_name = True
    # From the last characters backwards, since names may be longer than Python's stack is deep.
    for node in reversed(nodes):
        node.rule = rules.add(" | ".join(node.alternatives(rules)))
    return f"{_QUOTE} {root.rule}"


@dataclass
class _Node:
    """A prefix of names; its rule is what may follow in a key that is none of them, up to the closing quote."""

    rest: str
    children: dict[str, _Node] = field(default_factory=dict)
    is_name: bool = False
    rule: str = ""

    def alternatives(self, rules: Rules) -> list[str]:
        if not self.children and not self.is_name:
            return [f"{self.rest} {_QUOTE}"]
        other = f"{rules.add(written(except_for(self.children)))} {self.rest} {_QUOTE}"
        named = [
            f"{literal(json.dumps(character, ensure_ascii=False)[1:-1])} {child.rule}"
            for character, child in self.children.items()
        ]
        return [other, *named] if self.is_name else [_QUOTE, other, *named]


def _matching(pattern: str, least: int, most: int | None, rules: Rules) -> str:
    try:
        automaton = build_automaton(parse(pattern), whole=False)
    except PatternError as error:
        raise Inexpressible("pattern", str(error)) from error
    return _Followed(automaton, least, most, rules).rule()


class _Followed:
    """Right-linear rules: one for each set of positions that may follow, and length where lengths matter."""

    def __init__(self, automaton: Automaton, least: int, most: int | None, rules: Rules) -> None:
        self._automaton = automaton
        self._least, self._most = least, most
        self._rules = rules
        self._states: dict[tuple[tuple[int, ...], bool, int], int] = {}
        self._keys: list[tuple[tuple[int, ...], bool, int]] = []

    def rule(self) -> str:
        """The rule of the whole text. Raises Inexpressible when it has none or too many states."""
        self._reach(0, 0)
        edges: list[list[tuple[int, int]]] = []
        while len(edges) < len(self._keys):
            following, _, length = self._keys[len(edges)]
            longer = length + 1 if self._most is not None else min(length + 1, self._least)
            open_end = self._most is None or length < self._most
            edges.append([(position, self._reach(position, longer)) for position in following] if open_end else [])
            if len(self._keys) > _MOST_STATES:
                raise Inexpressible("pattern", f"it has more than {_MOST_STATES} states with its lengths")
        alive = self._alive(edges)
        if 0 not in alive:
            raise Inexpressible("pattern", "no text that can be written without \\u escapes matches")
        self._rules.spend(sum(self._cost(state, edges[state]) for state in alive), "pattern")
        names = {state: self._rules.reserve() for state in alive}
        for state, name in names.items():
            alternatives = ['""'] if self._ends(state) else []
            for position, target in edges[state]:
                if target in alive and self._writable(position):
                    alternatives.append(f"{written(self._automaton.characters[position])} {names[target]}")
            self._rules.define(name, " | ".join(alternatives))
        return names[0]

    def _reach(self, position: int, length: int) -> int:
        key = (self._automaton.following[position], self._automaton.accepting[position], length)
        if key not in self._states:
            self._states[key] = len(self._keys)
            self._keys.append(key)
        return self._states[key]

    def _ends(self, state: int) -> bool:
        _, accepting, length = self._keys[state]
        return accepting and length >= self._least

    def _alive(self, edges: list[list[tuple[int, int]]]) -> set[int]:
        """States from which some text is accepted."""
        sources: dict[int, list[int]] = {}
        for state, found in enumerate(edges):
            for position, target in found:
                if self._writable(position):
                    sources.setdefault(target, []).append(state)
        alive = {state for state in range(len(edges)) if self._ends(state)}
        waiting = list(alive)
        while waiting:
            for source in sources.get(waiting.pop(), []):
                if source not in alive:
                    alive.add(source)
                    waiting.append(source)
        return alive

    def _cost(self, state: int, edges: list[tuple[int, int]]) -> int:
        broad = any(is_broad(self._automaton.characters[position]) for position, _ in edges)
        return (_BROAD_COST if broad else _NARROW_COST) if edges else 0

    def _writable(self, position: int) -> bool:
        try:
            written(self._automaton.characters[position])
        except Inexpressible:
            return False
        return True
