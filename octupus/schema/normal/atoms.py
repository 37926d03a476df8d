"""The alternatives of a place before they are written: each a set of values of one type, described by goals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from octupus.schema.normal.references import Place
from octupus.schema.unsupported import Unsupported


@dataclass(frozen=True, slots=True)
class Goal:
    """What a value has to satisfy: places of the original, all of them. Without a place, anything does."""

    key: tuple[str, ...]
    """The keys of the places, sorted: equal keys mean the same demand."""
    places: tuple[Place, ...] = field(compare=False)

    @property
    def pointer(self) -> str:
        """Where it stands in the original."""
        return self.places[0].pointer if self.places else ""

    @property
    def is_anything(self) -> bool:
        """Whether nothing is demanded."""
        return not self.places


ANYTHING = Goal((), ())


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an alternative admits nothing."""

    keyword: str
    pointer: str
    explanation: str


class Contradiction(Exception):
    """An alternative admits nothing; it never leaves this package."""

    def __init__(self, keyword: str, pointer: str, explanation: str) -> None:
        super().__init__(explanation)
        self.cause = Cause(keyword, pointer, explanation)


@dataclass(slots=True)
class Atom:
    """One alternative. `kind` is a type of the normal form, `enum`, or `any`."""

    kind: str
    pointer: str
    unexpressed: tuple[Unsupported, ...] = ()
    members: list[Any] = field(default_factory=list)
    """The values of an enum."""
    keywords: dict[str, Any] = field(default_factory=dict)
    """Keywords without subschemas, as the normal form writes them."""
    prefix: list[Goal] = field(default_factory=list)
    items: Goal = ANYTHING
    properties: dict[str, Goal] = field(default_factory=dict)
    patterns: dict[str, Goal] = field(default_factory=dict)
    additional: Goal = ANYTHING
    required: list[str] = field(default_factory=list)
    closes: bool = False
    """Whether properties that are not listed are refused, though the author does not say so."""

    def goals(self) -> list[Goal]:
        """Every goal that it holds for a part of the value."""
        if self.kind == "array":
            return [*self.prefix, self.items]
        if self.kind == "object":
            return [*self.properties.values(), *self.patterns.values(), self.additional]
        return []

    def item(self, position: int) -> Goal:
        """What the item at a position has to satisfy."""
        return self.prefix[position] if position < len(self.prefix) else self.items
