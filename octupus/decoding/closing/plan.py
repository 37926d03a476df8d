"""Closing plans: made once for a schema or a pattern, and shared by all turns that write such a value."""

from __future__ import annotations

from typing import Any

from octupus.decoding.arguments import BARE, Frame
from octupus.decoding.closing.costs import FAR, Costs
from octupus.decoding.closing.follower import ClosingFollower, Plan
from octupus.decoding.closing.nodes import Graph
from octupus.decoding.closing.path import write
from octupus.decoding.closing.pieces import Pieces
from octupus.decoding.vocabulary import TokenVocabulary

LONGEST_SHORTEST = 1_000_000
"""Tokens of a smallest value beyond which the schema counts as one that nothing satisfies: no budget holds it."""


class ClosingPlan:
    """How values of one normal form are ended, and how far their end can be. See the package.

    `shortest` holds the tokens of a smallest whole value, frame included; None when nothing satisfies the schema.
    `bound` is the most tokens that any state of any value can need after one more token; None where nesting is
    unlimited. Raises PatternError for a pattern that cannot be followed, VocabularyError for a tokenizer that lacks
    single characters.
    """

    def __init__(self, schema: dict[str, Any], vocabulary: TokenVocabulary, frame: Frame = BARE) -> None:
        graph = Graph(schema)
        pieces = Pieces(vocabulary)
        costs = Costs(graph, pieces, vocabulary.most_brackets)
        self._plan = Plan(graph, costs, pieces, frame)
        self.shortest: tuple[int, ...] | None = None
        self.bound: int | None = None
        if costs.smallest(schema) < min(FAR, LONGEST_SHORTEST):
            ids = write(self._plan, [schema, pieces.ids(frame.after) if frame.after else ()])
            whole = pieces.ids(pieces.data(ids).decode("utf-8"))
            self.shortest = min(whole, ids, key=len)
            self.bound = self._plan.bound

    def follower(self) -> ClosingFollower:
        """A follower at the first character."""
        return ClosingFollower(self._plan)
