"""Goals to atoms, each goal once."""

from __future__ import annotations

from typing import Any

from octupus.schema.normal.arrays import Arrays
from octupus.schema.normal.atoms import ANYTHING, Atom, Cause, Contradiction, Goal
from octupus.schema.normal.conjunction import TYPES, Conjunction, Conjunctions
from octupus.schema.normal.disjoint import Disjointness
from octupus.schema.normal.finite import Finite, Part, listed_values
from octupus.schema.normal.keywords import (
    ARRAY_KEYWORDS,
    NUMBER_KEYWORDS,
    OBJECT_KEYWORDS,
    STRING_KEYWORDS,
    restricting,
)
from octupus.schema.normal.limits import Budget
from octupus.schema.normal.names import PropertyNames
from octupus.schema.normal.numbers import number_atom
from octupus.schema.normal.objects import Objects
from octupus.schema.normal.references import Place, References
from octupus.schema.normal.strings import Strings

_DEEPEST_PROOF = 6


class Expansion:
    """The atoms of every goal of one schema."""

    def __init__(self, schema: Any, draft: str, budget: Budget, *, closed: bool) -> None:
        self._draft = draft
        self._budget = budget
        self._closed = closed
        self.references = References(schema, draft)
        disjointness = Disjointness(self._for_proof, self.goal, budget)
        self._conjunctions = Conjunctions(draft, self.references, budget, disjointness.overlapping)
        self._finite = Finite(schema, draft, budget)
        self._strings = Strings(budget)
        self._arrays = Arrays(draft, self.references, self.goal)
        names = PropertyNames(lambda places: self._for_proof(self.goal(places)))
        self._objects = Objects(self.references, budget, self._strings, names, self.goal)
        self._atoms: dict[tuple[str, ...], tuple[list[Atom], list[Cause]] | None] = {}
        self._depth = 0

    def goal(self, places: list[Place]) -> Goal:
        """The goal of all places; those that demand nothing do not count, and one that refuses all counts alone."""
        kept: dict[str, Place] = {}
        for place in map(self._target, places):
            if place.schema is False:
                return Goal((place.key,), (place,))
            if place.schema is not True and restricting(place.schema, self._draft):
                kept.setdefault(place.key, place)
        return Goal(tuple(sorted(kept)), tuple(kept.values())) if kept else ANYTHING

    def _target(self, place: Place) -> Place:
        """Where a place that is a reference and nothing else leads, so that recursion comes back to the same goal."""
        passed: set[str] = set()
        while isinstance(place.schema, dict) and place.key not in passed:
            keywords = restricting(place.schema, self._draft)
            if set(keywords) != {"$ref"}:
                break
            passed.add(place.key)
            place = self.references.resolve(place, keywords["$ref"])
        return place

    def atoms(self, goal: Goal) -> tuple[list[Atom], list[Cause]]:
        """The alternatives of a goal, none of them empty by itself, and why others are."""
        found = self._atoms.get(goal.key)
        if found is None:
            self._atoms[goal.key] = None
            found = self._atoms[goal.key] = self._expand(goal)
        return found

    def _for_proof(self, goal: Goal) -> list[Atom] | None:
        """The atoms of a goal, or None where looking for them would not end soon."""
        if goal.key in self._atoms and self._atoms[goal.key] is None:
            return None
        if goal.key not in self._atoms and self._depth >= _DEEPEST_PROOF:
            return None
        self._depth += 1
        try:
            return self.atoms(goal)[0]
        finally:
            self._depth -= 1

    def _expand(self, goal: Goal) -> tuple[list[Atom], list[Cause]]:
        conjunctions, causes = self._conjunctions.of(goal)
        atoms: list[Atom] = []
        for conjunction in conjunctions:
            parts = [(place, keywords) for place, keywords in conjunction.parts.values() if keywords]
            values = listed_values(parts)
            if values is not None:
                atoms += self._listed(values, parts, conjunction, causes)
            elif _demands_nothing(parts, conjunction):
                atoms.append(Atom("any", conjunction.pointer, conjunction.unexpressed))
            else:
                for kind in TYPES:
                    self._typed(kind, parts, conjunction, atoms, causes)
        return atoms, causes

    def _listed(
        self, values: list[Any], parts: list[Part], conjunction: Conjunction, causes: list[Cause]
    ) -> list[Atom]:
        kept, unexpressed = self._finite.admitted(values, parts, conjunction.types)
        if kept:
            dropped = tuple(note for note in conjunction.unexpressed if note.keyword.startswith("$"))
            return [Atom("enum", conjunction.pointer, dropped + unexpressed, kept)]
        place = next(place for place, keywords in parts if "enum" in keywords or "const" in keywords)
        keyword = "enum" if "enum" in place.schema else "const"
        causes.append(Cause(keyword, place.at(keyword), "its siblings refuse every value that it lists"))
        return []

    def _typed(
        self, kind: str, parts: list[Part], conjunction: Conjunction, atoms: list[Atom], causes: list[Cause]
    ) -> None:
        if kind not in conjunction.types or (kind == "fraction" and "integer" in conjunction.types):
            return
        try:
            atom = self._atom(kind, parts, conjunction)
        except Contradiction as contradiction:
            causes.append(contradiction.cause)
        else:
            if atom is not None:
                atom.unexpressed += conjunction.unexpressed if atom.kind != "enum" else ()
                atoms.append(atom)

    def _atom(self, kind: str, parts: list[Part], conjunction: Conjunction) -> Atom | None:
        pointer = conjunction.pointer
        if kind == "string":
            return self._strings.atom(parts, pointer)
        if kind == "array":
            return self._arrays.atom(parts, pointer)
        if kind == "object":
            return self._objects.atom(parts, pointer, closed=self._closed)
        if kind == "integer":
            return number_atom(parts, pointer, integer="fraction" not in conjunction.types)
        if kind == "fraction":
            atom = number_atom(parts, pointer, integer=False)
            atom.unexpressed += conjunction.fractions
            return atom
        return self._scalar(kind, parts, conjunction)

    def _scalar(self, kind: str, parts: list[Part], conjunction: Conjunction) -> Atom | None:
        """Null or boolean: few values, so they can be tried where a keyword has no equivalent."""
        if not conjunction.unexpressed:
            return Atom(kind, conjunction.pointer)
        values = [None] if kind == "null" else [False, True]
        kept, unexpressed = self._finite.admitted(values, parts, conjunction.types)
        if not kept:
            return None
        return Atom("enum", conjunction.pointer, unexpressed, kept)


def _demands_nothing(parts: list[Part], conjunction: Conjunction) -> bool:
    typed = NUMBER_KEYWORDS | STRING_KEYWORDS | ARRAY_KEYWORDS | OBJECT_KEYWORDS
    return conjunction.types == frozenset(TYPES) and not any(typed & set(keywords) for _, keywords in parts)
