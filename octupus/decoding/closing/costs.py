"""What closing costs at most, in tokens, for every node of a schema; all by iteration, however the schema recurs.

`smallest` is a least fixpoint. `partial(schema, k)` is F_k of the package's proof, `entry(node, k)` its X_k.
"""

from __future__ import annotations

from collections import deque

from octupus.decoding.closing.nodes import Array, Graph, Literals, Node, Number, Object, Schema, Text
from octupus.decoding.closing.pieces import Pieces, string_text

FAR = 1 << 40
"""Stands for what nothing satisfies, and for what would take that many tokens."""
LONGEST_PENDING = 8
"""Bytes that end a character that was begun: from `\\uD8` two digits and the escape of a low surrogate."""
FRESH = 4
"""Letters that make a key differ from all keys of an object: 26 to the power 4 are more than a turn can hold."""
_KEY_MARKS = 4
"""Comma, two quotes, colon."""


class Costs:
    """See the module."""

    def __init__(self, graph: Graph, pieces: Pieces, openings: int) -> None:
        self._graph = graph
        self._pieces = pieces
        self._schemas = self._discovered()
        self._smallest: dict[int, int] = {id(schema): FAR for schema in self._schemas}
        self._smallest_node: dict[Node, int] = {}
        self._entries: dict[Object, dict[str, int]] = {}
        self._totals: dict[Object, int] = {}
        self._settle()
        self._entry: list[dict[Node, int]] = []
        self._partial: list[dict[int, int]] = []
        for _ in range(openings + 1):
            self._deepen()

    def smallest(self, schema: Schema) -> int:
        """Tokens of the smallest instance; FAR when there is none."""
        return self._smallest[id(schema)]

    def cheapest(self, schema: Schema) -> Node:
        """The node with the smallest instance."""
        return min(self._graph.alternatives(schema), key=self._smallest_node.__getitem__)

    def smallest_node(self, node: Node) -> int:
        """Tokens of the node's smallest instance."""
        return self._smallest_node[node]

    def entry(self, node: Node) -> int:
        """The most tokens that end an entry of a container in which one token has begun it, or changed it."""
        return self._entry[-1][node]

    def partial(self, schema: Schema) -> int:
        """The most tokens that end a value that one token has begun."""
        return self._partial[-1][id(schema)]

    def remaining(self, node: Array | Object, keys: set[str], count: int) -> int:
        """Tokens of what an open container still needs, its closing bracket included."""
        if isinstance(node, Array):
            return 1 + self._items(node, count)
        entries = self._entries[node]
        written = sum(1 for key in keys if key in entries)
        cost = self._totals[node] - sum(entries[key] for key in keys if key in entries)
        fill = node.least - count - (len(entries) - written)
        return 1 + cost + (fill * self._filler(node) if fill > 0 else 0)

    def bound(self) -> int | None:
        """The most tokens that end any prefix of a value; None where values nest without limit."""
        order = self._children_first()
        if order is None:
            return None
        partial: dict[int, int] = {}
        for schema in order:
            costs = [self.smallest(schema)]
            for node in self._graph.alternatives(schema):
                if self._smallest_node[node] < FAR:
                    costs.append(self._partial_node(node, self._entry_cost(node, partial)))
            partial[id(schema)] = max(costs)
        return partial[id(self._graph.root)]

    def _discovered(self) -> list[Schema]:
        found = {id(self._graph.root): self._graph.root}
        waiting = [self._graph.root]
        while waiting:
            for node in self._graph.alternatives(waiting.pop()):
                for child in children(node):
                    if id(child) not in found:
                        found[id(child)] = child
                        waiting.append(child)
        return list(found.values())

    def _settle(self) -> None:
        """Lower the smallest costs until none can be lowered; a cost is lowered only when a child's was."""
        parents: dict[int, set[Node]] = {id(schema): set() for schema in self._schemas}
        holders: dict[Node, list[Schema]] = {}
        for schema in self._schemas:
            for node in self._graph.alternatives(schema):
                holders.setdefault(node, []).append(schema)
        for node in holders:
            self._smallest_node[node] = FAR
            for child in children(node):
                parents[id(child)].add(node)
        waiting = deque(reversed(holders))
        queued = set(waiting)
        while waiting:
            node = waiting.popleft()
            queued.discard(node)
            cost = self._cost(node)
            if cost >= self._smallest_node[node]:
                continue
            self._smallest_node[node] = cost
            for schema in holders[node]:
                if cost < self._smallest[id(schema)]:
                    self._smallest[id(schema)] = cost
                    raised = parents[id(schema)] - queued
                    waiting.extend(raised)
                    queued |= raised

    def _cost(self, node: Node) -> int:
        ids = self._pieces.ids
        if isinstance(node, Literals):
            return min(len(ids(text)) for text in node.texts)
        if isinstance(node, Text):
            return len(ids(string_text(smallest_text(node))))
        if isinstance(node, Number):
            text = node.range.smallest()
            return FAR if text is None else len(ids(text))
        if isinstance(node, Array):
            impossible = node.most is not None and node.most < node.least
            return FAR if impossible else min(2 + self._items(node, 0), FAR)
        entries = {key: self._key_cost(key) + self.smallest(node.child(key)) for key in node.required}
        self._entries[node], self._totals[node] = entries, sum(entries.values())
        impossible = node.most is not None and node.most < node.least
        return FAR if impossible else min(1 + self.remaining(node, set(), 0), FAR)

    def _items(self, node: Array, count: int) -> int:
        first = sum(1 + self.smallest(item) for item in node.first[count : node.least])
        rest = node.least - max(count, len(node.first))
        return first + (rest * (1 + self.smallest(node.rest)) if rest > 0 else 0)

    def _filler(self, node: Object) -> int:
        """The most tokens of one more entry that nothing but `minProperties` asks for."""
        if self.smallest(node.rest) < FAR:
            return _KEY_MARKS + FRESH + self.smallest(node.rest)
        optional = [
            self._key_cost(key) + self.smallest(schema)
            for key, schema in node.properties.items()
            if key not in self._entries[node] and self.smallest(schema) < FAR
        ]
        matched = [
            _KEY_MARKS + 2 * (pattern.distance or 0) + FRESH + self.smallest(schema)
            for pattern, schema in node.patterns
            if self.smallest(schema) < FAR and pattern.distance is not None and pattern.endless
        ]
        if not matched and len(optional) < node.least - len(self._entries[node]):
            return FAR
        return max([*optional, *matched], default=FAR)

    def _key_cost(self, key: str) -> int:
        text = string_text(key)
        return max(len(self._pieces.ids(f",{text}:")), len(self._pieces.ids(f"{text}:")))

    def _deepen(self) -> None:
        entry = {
            node: self._entry_cost(node, self._partial[-1]) if self._partial else 0 for node in self._smallest_node
        }
        partial: dict[int, int] = {}
        for schema in self._schemas:
            costs = [self.smallest(schema)]
            for node in self._graph.alternatives(schema):
                closed = isinstance(node, Array | Object) and not self._partial
                if self._smallest_node[node] < FAR and not closed:
                    costs.append(self._partial_node(node, entry[node]))
            partial[id(schema)] = max(costs)
        self._partial.append(partial)
        self._entry.append({node: self._entry_cost(node, partial) for node in self._smallest_node})

    def _partial_node(self, node: Node, entry: int) -> int:
        if isinstance(node, Literals):
            return max(
                # An escape may have another spelling than ours, behind which tokens end elsewhere.
                len(text.encode("utf-8")) + LONGEST_PENDING if "\\" in text else self._pieces.suffix_cost(text)
                for text in node.texts
            )
        if isinstance(node, Text):
            rest = node.shortest if node.pattern is None else node.pattern.distance or 0
            return LONGEST_PENDING + rest + 1
        if isinstance(node, Number):
            return node.range.farthest
        return self._smallest_node[node] - 1 + entry

    def _entry_cost(self, node: Node, partial: dict[int, int]) -> int:
        costs = [0]
        if isinstance(node, Array):
            costs += [partial[id(child)] for child in children(node) if self.smallest(child) < FAR]
        elif isinstance(node, Object):
            for key, schema in node.properties.items():
                if self.smallest(schema) < FAR:
                    key_cost = self._pieces.suffix_cost(f"{string_text(key)}:")
                    costs += [key_cost + self.smallest(schema), partial[id(schema)]]
            for pattern, schema in node.patterns:
                if self.smallest(schema) < FAR and pattern.distance is not None:
                    key_cost = LONGEST_PENDING + pattern.distance + FRESH + _KEY_MARKS
                    costs += [key_cost + self.smallest(schema), partial[id(schema)]]
            if self.smallest(node.rest) < FAR:
                costs += [LONGEST_PENDING + FRESH + _KEY_MARKS + self.smallest(node.rest), partial[id(node.rest)]]
                # Required keys that are not declared are longer than fresh ones.
                others = [key for key in node.required if key not in node.properties]
                costs += [
                    self._pieces.suffix_cost(f"{string_text(key)}:") + self.smallest(node.child(key)) for key in others
                ]
        return max(costs)

    def _children_first(self) -> list[Schema] | None:
        """Satisfiable schemas in an order in which children precede parents; None when some schema holds itself."""
        order: list[Schema] = []
        state: dict[int, bool] = {}
        waiting: list[tuple[Schema, bool]] = [(self._graph.root, False)]
        while waiting:
            schema, finished = waiting.pop()
            if finished:
                state[id(schema)] = True
                order.append(schema)
                continue
            if id(schema) in state:
                if not state[id(schema)]:
                    return None
                continue
            state[id(schema)] = False
            waiting.append((schema, True))
            held = [child for node in self._graph.alternatives(schema) for child in children(node)]
            for child in {id(child): child for child in held if self.smallest(child) < FAR}.values():
                if state.get(id(child)) is False:
                    return None
                if id(child) not in state:
                    waiting.append((child, False))
        return order


def children(node: Node) -> list[Schema]:
    """The schemas of what a node holds."""
    if isinstance(node, Array):
        return [*node.first, node.rest]
    if isinstance(node, Object):
        return [*node.properties.values(), *(schema for _, schema in node.patterns), node.rest]
    return []


def smallest_text(node: Text) -> str:
    """The smallest string of a node."""
    if node.pattern is None:
        return "a" * node.shortest
    return node.pattern.shortest(node.pattern.start()) or ""
