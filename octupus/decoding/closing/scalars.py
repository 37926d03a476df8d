"""A scalar that is being written, beside the nodes that it may be an instance of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from octupus.decoding.closing.characters import ending, endings, read_characters
from octupus.decoding.closing.nodes import Literals, Node, Number, Text
from octupus.decoding.closing.pieces import Pieces, string_text
from octupus.schema.patterns import State

MOST_CANDIDATES = 12
"""Ways to end one scalar that are tried on the matcher."""


@dataclass(slots=True)
class Scalar:
    """`nodes` are those the text so far is no contradiction to."""

    nodes: tuple[Node, ...]
    raw: bytes = b""
    """The JSON text so far, while a node that needs it is left."""
    pending: bytes = b""
    """Bytes of a character that is not whole."""
    text: str = ""
    """The decoded string so far, while a node that needs it is left."""
    count: int = 0
    states: dict[Node, State] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.states:
            self.states = {
                node: node.pattern.start() for node in self.nodes if isinstance(node, Text) and node.pattern is not None
            }

    def copy(self) -> Scalar:
        """An independent copy."""
        return Scalar(self.nodes, self.raw, self.pending, self.text, self.count, dict(self.states))

    @property
    def free(self) -> bool:
        """Whether any character may follow, and the same ending still ends the string behind it."""
        return not self.pending and all(
            isinstance(node, Text) and node.free and self.count >= node.shortest for node in self.nodes
        )

    def read_string(self, data: bytes, at: int) -> tuple[int, bool]:
        """Read on inside a string; returns where it stopped and whether the closing quote was read."""
        text, self.pending, stopped, ended = read_characters(self.pending, data, at)
        literals = any(isinstance(node, Literals) for node in self.nodes)
        self.count += len(text)
        if literals:
            self.raw += data[at:stopped]
            self.text += text
        for node, state in self.states.items():
            self.states[node] = node.pattern.after(state, text)  # type: ignore[union-attr]
        if text and not (len(self.nodes) == 1 and isinstance(self.nodes[0], Text) and self.nodes[0].free):
            self.nodes = tuple(node for node in self.nodes if self._may_be(node))
        return stopped, ended

    def read_bare(self, data: bytes) -> None:
        """Read on in a number or a literal name."""
        self.raw += data
        text = self.raw.decode("ascii", "replace")
        self.nodes = tuple(
            node
            for node in self.nodes
            if isinstance(node, Number) or (isinstance(node, Literals) and any(x.startswith(text) for x in node.texts))
        )

    def instances_of(self, is_string: bool) -> tuple[Node, ...]:
        """The nodes that the scalar, now whole, is an instance of."""
        return tuple(node for node in self.nodes if self._is(node, is_string))

    def endings(self, node: Node, pieces: Pieces) -> Iterator[tuple[int, ...]]:
        """Tokens that make the scalar an instance of `node`, the fewest first."""
        if isinstance(node, Literals):
            yield from sorted(self._literal_endings(node, pieces), key=len)
        elif isinstance(node, Text):
            yield from self._text_endings(node, pieces)
        elif isinstance(node, Number):
            for index, text in enumerate(node.range.endings(self.raw.decode("ascii"))):
                if index == MOST_CANDIDATES:
                    return
                yield pieces.from_bytes(text.encode())

    def _may_be(self, node: Node) -> bool:
        if isinstance(node, Literals):
            return any(value is not None and value.startswith(self.text) for value in node.texts.values())
        if isinstance(node, Text):
            within = node.longest is None or self.count <= node.longest
            return within and (node.pattern is None or bool(self.states[node]))
        return False

    def _is(self, node: Node, is_string: bool) -> bool:
        if isinstance(node, Literals):
            return self.text in node.texts.values() if is_string else self.raw.decode("ascii") in node.texts
        if isinstance(node, Text):
            return node.shortest <= self.count and (node.pattern is None or node.pattern.accepts(self.states[node]))
        return isinstance(node, Number) and node.range.accepts(self.raw.decode("ascii"))

    def _literal_endings(self, node: Literals, pieces: Pieces) -> Iterator[tuple[int, ...]]:
        for text, value in node.texts.items():
            encoded = text.encode("utf-8")
            if encoded.startswith(self.raw):
                yield pieces.suffix(text, len(self.raw))
            elif value is not None and not self.pending and value.startswith(self.text) and self.raw[:1] == b'"':
                yield pieces.from_bytes(string_text(value[len(self.text) :])[1:].encode("utf-8"))
            elif value is not None and self.pending and value.startswith(self.text) and value != self.text:
                rest = ending(self.pending, value[len(self.text)])
                if rest is not None:
                    behind = string_text(value[len(self.text) + 1 :])[1:].encode("utf-8")
                    yield pieces.from_bytes(rest + behind)

    def _text_endings(self, node: Text, pieces: Pieces) -> Iterator[tuple[int, ...]]:
        for first, text in self._completions(node):
            written = string_text(text)[1:]
            yield pieces.from_bytes(first) + pieces.from_bytes(written.encode("utf-8"))

    def _completions(self, node: Text) -> Iterator[tuple[bytes, str]]:
        """The rest of a character that was begun, and the text behind it."""
        pattern, state = node.pattern, self.states.get(node)
        if not self.pending:
            if pattern is None or state is None:
                yield b"", "a" * (node.shortest - self.count)
            else:
                yield b"", pattern.shortest(state) or ""
            return
        for limit in endings(self.pending):
            if pattern is None or state is None:
                text: str | None = chr(limit[0][0]) + "a" * (node.shortest - self.count - 1)
            else:
                text = next(pattern.completions(state, limit), None)
            if text is not None:
                first = ending(self.pending, text[0])
                if first is not None:
                    yield first, text[1:]
