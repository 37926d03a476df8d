"""Where a value stands: its open containers, the scalar that is being written, and how far away its end can be."""

from __future__ import annotations

from octupus.decoding.arguments import ArgumentsMatcher, Frame
from octupus.decoding.closing.characters import UnreadableError
from octupus.decoding.closing.costs import FAR, Costs
from octupus.decoding.closing.levels import Level, Phase
from octupus.decoding.closing.nodes import Array, Graph, Literals, Node, Number, Object, Text
from octupus.decoding.closing.path import find_path
from octupus.decoding.closing.pieces import Pieces
from octupus.decoding.closing.scalars import Scalar

_BARE = frozenset(b"-+.eE0123456789truefalsn")


class Plan:
    """What followers of one schema share."""

    def __init__(self, graph: Graph, costs: Costs, pieces: Pieces, frame: Frame) -> None:
        self.graph = graph
        self.costs = costs
        self.pieces = pieces
        self.frame = frame
        self.after = frame.after.encode("utf-8")
        self.after_cost = pieces.suffix_cost(frame.after) if frame.after else 0
        bound = costs.bound()
        self.bound = None if bound is None else bound + self.after_cost


class ClosingFollower:
    """Follows the text of one value. `searches` counts paths that were not found by analysis."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.levels: list[Level] = []
        self.scalar: Scalar | None = None
        self.is_string = False
        self.begun = False
        self.whole = False
        """Whether the value is complete, a number perhaps not."""
        self.framed = 0
        """Bytes of the text behind the value that have been read."""
        self.lost = False
        """Whether something was read that the analysis cannot follow."""
        self.searches = 0

    def copy(self) -> ClosingFollower:
        """An independent copy."""
        other = ClosingFollower.__new__(ClosingFollower)
        other.__dict__.update(self.__dict__)
        other.levels = [level.copy() for level in self.levels]
        other.scalar = self.scalar.copy() if self.scalar is not None else None
        return other

    @property
    def reach(self) -> int:
        """The most tokens of the path behind any one further token; very large where the analysis lost its way."""
        if self.lost:
            return FAR
        plan = self.plan
        open_cost = plan.after_cost
        found = open_cost if self.begun and not self.levels and self.scalar is None else 0
        if not found:
            found = open_cost + plan.costs.partial(plan.graph.root)
        for level in self.levels:
            found = max(found, open_cost + level.with_entry(plan.costs))
            open_cost += level.base(plan.costs)
        # Where alternatives are left, levels may take their largest costs from different ones; the bound does not.
        return found if plan.bound is None else min(found, plan.bound)

    @property
    def free(self) -> bool:
        """Whether a string is being written in which any token of `vocabulary.plain` leaves the path as it is."""
        return not self.lost and self.is_string and self.scalar is not None and self.scalar.free

    def path(self, matcher: ArgumentsMatcher) -> list[int]:
        """Tokens that complete the value and its frame, tried on a fork of `matcher`.

        Raises MatcherError when no way was found.
        """
        return find_path(self, matcher)

    def advance(self, data: bytes) -> None:
        """Read what was written since; it may end anywhere."""
        if self.lost:
            return
        try:
            self._read(data)
        except UnreadableError:
            self.lost = True

    def _read(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            level = self.levels[-1] if self.levels else None
            if self.scalar is not None and self.is_string:
                at, ended = self.scalar.read_string(data, at)
                if ended:
                    self._end_value(self.scalar.instances_of(True))
            elif level is not None and level.phase is Phase.KEY:
                at, ended = level.read_key(data, at)
                if ended:
                    self._prune(level, [node for node in level.nodes if self._admits(level, node)])
            elif self.scalar is not None and data[at] in _BARE:
                begin = at
                while at < len(data) and data[at] in _BARE:
                    at += 1
                self._read_bare(data[begin:at])
            elif self.scalar is not None:
                self._end_value(self.scalar.instances_of(False))
            else:
                self._read_structure(data[at], level)
                at += 1

    def _read_bare(self, data: bytes) -> None:
        assert self.scalar is not None
        self.scalar.read_bare(data)
        if not self.scalar.nodes:
            raise UnreadableError("a literal that no schema admits")
        if self.scalar.raw in (b"true", b"false", b"null"):
            self._end_value(self.scalar.instances_of(False))

    def _read_structure(self, byte: int, level: Level | None) -> None:
        character = chr(byte)
        if self.whole:
            if self.plan.after[self.framed : self.framed + 1] != bytes([byte]):
                raise UnreadableError("text behind the value")
            self.framed += 1
        elif character in " \n\r\t":
            return
        elif level is None:
            self._begin_value(character)
        elif character in "]}":
            self._close(level, character)
        elif level.phase is Phase.COLON and character == ":":
            level.phase = Phase.VALUE
        elif level.phase is Phase.COMMA and character == ",":
            level.phase = Phase.NEXT
        elif level.is_object and level.phase in (Phase.FIRST, Phase.NEXT) and character == '"':
            level.begin_key()
        elif level.phase is Phase.VALUE or (not level.is_object and level.phase in (Phase.FIRST, Phase.NEXT)):
            self._begin_value(character)
        else:
            raise UnreadableError(f"{character!r} where it cannot stand")

    def _begin_value(self, character: str) -> None:
        found: dict[Node, None] = {}
        if not self.levels:
            found = dict.fromkeys(self.plan.graph.alternatives(self.plan.graph.root))
        else:
            level = self.levels[-1]
            level.count += not level.is_object
            level.phase = Phase.INSIDE
            for node in level.nodes:
                schema = level.child(node)
                if schema is not None:
                    found.update(dict.fromkeys(self.plan.graph.alternatives(schema)))
        self.begun = True
        smallest = self.plan.costs.smallest_node
        nodes = tuple(node for node in found if smallest(node) < FAR and _begins(node, character))
        if not nodes:
            raise UnreadableError(f"{character!r} begins no value that the schema admits")
        if character in "{[":
            self.levels.append(Level(nodes, character == "{"))
            return
        self.is_string = character == '"'
        self.scalar = Scalar(nodes, b'"' if self.is_string else b"")
        if not self.is_string:
            self._read_bare(character.encode())

    def _close(self, level: Level, character: str) -> None:
        if (character == "}") != level.is_object or level.phase not in (Phase.FIRST, Phase.COMMA):
            raise UnreadableError(f"{character!r} where it cannot stand")
        self.levels.pop()
        self._end_value(tuple(node for node in level.nodes if _may_end(node, level)))

    def _end_value(self, nodes: tuple[Node, ...]) -> None:
        self.scalar = None
        if not self.levels:
            self.whole = True
            return
        level = self.levels[-1]
        level.phase = Phase.COMMA
        if len(level.nodes) > 1:
            ended = set(nodes)
            alternatives = self.plan.graph.alternatives
            fitting = [
                node
                for node in level.nodes
                if (schema := level.child(node)) is not None and ended.intersection(alternatives(schema))
            ]
            self._prune(level, fitting)

    def _prune(self, level: Level, nodes: list[Node]) -> None:
        if not nodes:
            raise UnreadableError("no schema admits what was written")
        level.nodes = tuple(nodes)

    def _admits(self, level: Level, node: Node) -> bool:
        schema = level.child(node)
        return schema is not None and self.plan.costs.smallest(schema) < FAR


def _begins(node: Node, character: str) -> bool:
    if isinstance(node, Object | Array):
        return character == ("{" if isinstance(node, Object) else "[")
    if isinstance(node, Text):
        return character == '"'
    if isinstance(node, Number):
        return character in "-0123456789"
    return isinstance(node, Literals) and any(text.startswith(character) for text in node.texts)


def _may_end(node: Node, level: Level) -> bool:
    if isinstance(node, Array):
        return level.count >= node.least and (node.most is None or level.count <= node.most)
    if not isinstance(node, Object) or not level.keys.issuperset(node.required):
        return False
    return level.count >= node.least and (node.most is None or level.count <= node.most)
