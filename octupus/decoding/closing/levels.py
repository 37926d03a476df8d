"""The containers that are open, each with the nodes it may be an instance of and what it holds already."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, product
from string import ascii_lowercase

from octupus.decoding.closing.characters import ending, endings, read_characters
from octupus.decoding.closing.costs import FAR, Costs
from octupus.decoding.closing.nodes import Array, Node, Object, Schema
from octupus.decoding.closing.pieces import Pieces, string_text

_MOST_ENDINGS = 3
_MOST_FRESH = 40
"""Keys of each kind that are tried for one that may be written."""


class Phase(enum.Enum):
    """What a container awaits."""

    FIRST = "first"
    """Its first entry, or its end."""
    KEY = "key"
    """The rest of a key."""
    COLON = "colon"
    VALUE = "value"
    INSIDE = "inside"
    """The rest of a value."""
    COMMA = "comma"
    """A comma, or its end."""
    NEXT = "next"
    """An entry, behind a comma."""


@dataclass(slots=True)
class Level:
    """One open container. `count` is the number of entries begun, `key` the last key."""

    nodes: tuple[Node, ...]
    is_object: bool
    phase: Phase = Phase.FIRST
    keys: set[str] = field(default_factory=set)
    key: str = ""
    raw: bytes = b""
    pending: bytes = b""
    count: int = 0
    spaced: bool = False

    def copy(self) -> Level:
        """An independent copy."""
        return Level(
            self.nodes,
            self.is_object,
            self.phase,
            set(self.keys),
            self.key,
            self.raw,
            self.pending,
            self.count,
            self.spaced,
        )

    def child(self, node: Node) -> Schema | None:
        """The schema of the value that is due or begun, if the container is an instance of `node`."""
        if isinstance(node, Object):
            return node.child(self.key)
        return node.child(self.count - 1) if isinstance(node, Array) else None

    def begin_key(self) -> None:
        """The quote of a key has been read."""
        self.phase, self.key, self.raw = Phase.KEY, "", b'"'

    def read_key(self, data: bytes, at: int) -> tuple[int, bool]:
        """Read on in a key; returns where it stopped and whether the closing quote was read."""
        text, self.pending, stopped, ended = read_characters(self.pending, data, at)
        self.key += text
        self.raw += data[at:stopped]
        if ended:
            self.keys.add(self.key)
            self.count += 1
            self.phase = Phase.COLON
        return stopped, ended

    def base(self, costs: Costs) -> int:
        """The most tokens that end the container, once the entry in progress is ended."""
        return max(self._base(node, costs) for node in self.nodes)

    def with_entry(self, costs: Costs) -> int:
        """The most tokens that end an entry in progress, now or behind one more token, and then the container."""
        return max(self._base(node, costs) + costs.entry(node) for node in self.nodes)

    def _base(self, node: Node, costs: Costs) -> int:
        return costs.remaining(node, self.keys, self.count) if isinstance(node, Array | Object) else 0

    def admitted(self, node: Object, key: str, costs: Costs) -> bool:
        """Whether `key` may be written next."""
        return key not in self.keys and costs.smallest(node.child(key)) < FAR


def fresh_keys(level: Level, node: Object, costs: Costs) -> Iterator[str]:
    """Keys that nothing asks for, one of which may be written next: the likeliest to be admitted first."""
    if costs.smallest(node.rest) < FAR:
        yield from _letters(level, node, costs)
    names = list(node.properties)
    last = max((names.index(key) for key in level.keys if key in node.properties), default=-1)
    optional = [key for key in names if level.admitted(node, key, costs)]
    # llguidance admits keys in the author's order alone.
    later = set(names[last + 1 :])
    yield from sorted(optional, key=lambda key: (key not in later, costs.smallest(node.child(key)), len(key)))[
        :_MOST_FRESH
    ]
    for pattern, schema in node.patterns:
        if costs.smallest(schema) < FAR:
            yield from _few(level, node, costs, pattern.completions(pattern.start()))


def key_endings(level: Level, node: Object, costs: Costs, pieces: Pieces) -> Iterator[tuple[tuple[int, ...], str]]:
    """Ways to end the key in progress and the colon behind it, as (tokens, key), cheapest first for each kind."""
    declared = [key for key in (*node.required, *node.properties) if level.admitted(node, key, costs)]
    found: list[tuple[int, tuple[int, ...], str]] = []
    for key in dict.fromkeys(declared):
        text = f"{string_text(key)}:"
        if text.encode("utf-8").startswith(level.raw):
            ids = pieces.suffix(text, len(level.raw))
        elif not level.pending and key.startswith(level.key):
            ids = pieces.from_bytes((string_text(key[len(level.key) :])[1:] + ":").encode("utf-8"))
        else:
            continue
        found.append((len(ids) + costs.smallest(node.child(key)), ids, key))
    if costs.smallest(node.rest) < FAR:
        found += [_ended(level, node, key, costs, pieces) for key in _free_endings(level, node, costs)]
    for pattern, schema in node.patterns:
        if costs.smallest(schema) < FAR:
            state = pattern.after(pattern.start(), level.key)
            limits = list(endings(level.pending)) if level.pending else [None]
            for limit in limits:
                texts = (level.key + text for text in pattern.completions(state, limit))
                found += [
                    _ended(level, node, key, costs, pieces)
                    for key in _few(level, node, costs, texts, most=_MOST_ENDINGS)
                ]
    for _, ids, key in sorted(found, key=lambda way: way[0]):
        yield ids, key


def _ended(level: Level, node: Object, key: str, costs: Costs, pieces: Pieces) -> tuple[int, tuple[int, ...], str]:
    rest = key[len(level.key) :]
    first = b""
    if level.pending:
        first, rest = ending(level.pending, rest[0]) or b"", rest[1:]
    ids = pieces.from_bytes(first + (string_text(rest)[1:] + ":").encode("utf-8"))
    return len(ids) + costs.smallest(node.child(key)), ids, key


def _free_endings(level: Level, node: Object, costs: Costs) -> Iterator[str]:
    begins = [level.key + chr(limit[0][0]) for limit in endings(level.pending)] if level.pending else [level.key]
    for begin in begins:
        tails = ("".join(letters) for size in range(5) for letters in product(ascii_lowercase, repeat=size))
        yield from _few(level, node, costs, (begin + tail for tail in tails), most=_MOST_ENDINGS)


def _letters(level: Level, node: Object, costs: Costs) -> Iterator[str]:
    texts = ("".join(letters) for size in count(1) for letters in product(ascii_lowercase, repeat=size))
    yield from _few(level, node, costs, texts)


def _few(level: Level, node: Object, costs: Costs, texts: Iterator[str], most: int = _MOST_FRESH) -> Iterator[str]:
    """The first `most` of `texts` that may be written and are no declared keys; few are looked at beyond them."""
    tried = most + len(level.keys) + len(node.properties)
    for text in texts:
        if text not in node.properties and level.admitted(node, text, costs):
            yield text
            most -= 1
        tried -= 1
        if not most or not tried:
            return
