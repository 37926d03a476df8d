"""Proof that no value satisfies two schemas, which makes `oneOf` the same as `anyOf`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

from octupus.schema.normal.atoms import Atom, Goal
from octupus.schema.normal.equality import identity, json_types
from octupus.schema.normal.limits import Budget
from octupus.schema.normal.references import Place

_DEEPEST = 4
"""Properties and items inside each other that are compared."""


class Disjointness:
    """Compares goals of one schema. What it calls disjoint is so; what it does not may be."""

    def __init__(
        self,
        expand: Callable[[Goal], list[Atom] | None],
        goal: Callable[[list[Place]], Goal],
        budget: Budget,
    ) -> None:
        self._expand = expand
        self._goal = goal
        self._budget = budget

    def overlapping(self, members: list[Place], beside: Place) -> tuple[Place, Place] | None:
        """The first two members that may have a value in common, each together with `beside`; None where no two do."""
        goals = [self._goal([beside, member]) for member in members]
        if self._by_listed_values(goals):
            return None
        for (first, ours), (second, theirs) in combinations(zip(members, goals, strict=True), 2):
            if not self._of_goals(ours, theirs, _DEEPEST):
                return first, second
        return None

    def _by_listed_values(self, goals: list[Goal]) -> bool:
        """Whether enums tell all goals apart, their own or those of a property that each requires; in linear time."""
        alternatives = [self._expand(goal) for goal in goals]
        if any(atoms is None for atoms in alternatives):
            return False
        atoms = [found or [] for found in alternatives]
        if self._all_differ(atoms):
            return True
        objects = [[atom for atom in found if atom.kind == "object"] for found in atoms]
        if any(len(kept) != 1 or len(found) != 1 for kept, found in zip(objects, atoms, strict=True)):
            return False
        for name in objects[0][0].required if objects else ():
            if all(name in kept[0].required and name in kept[0].properties for kept in objects):
                values = [self._expand(kept[0].properties[name]) for kept in objects]
                if self._all_differ([found if found is not None else [Atom("any", "")] for found in values]):
                    return True
        return False

    def _all_differ(self, alternatives: list[list[Atom]]) -> bool:
        """Whether all alternatives are enums, and no value stands in two of them."""
        seen: set[str] = set()
        for atoms in alternatives:
            if any(atom.kind != "enum" for atom in atoms):
                return False
            members = {identity(value) for atom in atoms for value in atom.members}
            self._budget.spend(1 + len(members) // 4, "")
            if members & seen:
                return False
            seen |= members
        return True

    def _of_goals(self, first: Goal, second: Goal, depth: int) -> bool:
        if depth == 0:
            return False
        ours, theirs = self._expand(first), self._expand(second)
        if ours is None or theirs is None:
            return False
        self._budget.spend(1 + len(ours) * len(theirs), first.pointer)
        return all(self._of_atoms(atom, other, depth) for atom in ours for other in theirs)

    def _of_atoms(self, first: Atom, second: Atom, depth: int) -> bool:
        if first.kind == "enum" and second.kind == "enum":
            self._budget.spend((len(first.members) + len(second.members)) // 4, first.pointer)
            return not {identity(value) for value in first.members} & {identity(value) for value in second.members}
        if "enum" in (first.kind, second.kind):
            listed, other = (first, second) if first.kind == "enum" else (second, first)
            self._budget.spend(len(listed.members) // 4, first.pointer)
            return other.kind != "any" and all(_refuses(other, value) for value in listed.members)
        if "any" in (first.kind, second.kind):
            return False
        if first.kind != second.kind and {first.kind, second.kind} != {"integer", "number"}:
            return True
        if first.kind in ("integer", "number"):
            return _ranges_apart(first, second)
        if first.kind == "string":
            return _sizes_apart(first, second, "minLength", "maxLength")
        if first.kind == "array":
            return _sizes_apart(first, second, "minItems", "maxItems") or self._items_apart(first, second, depth)
        if first.kind == "object":
            apart = _sizes_apart(first, second, "minProperties", "maxProperties")
            return apart or self._properties_apart(first, second, depth)
        return False

    def _items_apart(self, first: Atom, second: Atom, depth: int) -> bool:
        certain = max(first.keywords.get("minItems", 0), second.keywords.get("minItems", 0))
        compared = min(certain, max(len(first.prefix), len(second.prefix), 1))
        return any(self._of_goals(first.item(at), second.item(at), depth - 1) for at in range(compared))

    def _properties_apart(self, first: Atom, second: Atom, depth: int) -> bool:
        """Whether a property that one of them requires cannot be the same in both."""
        for name in dict.fromkeys([*first.required, *second.required]):
            ours, theirs = _property(first, name), _property(second, name)
            if ours is None or theirs is None:
                continue
            self._budget.spend(1, first.pointer)
            if self._of_goals(ours, theirs, depth - 1):
                return True
        return False


def _property(atom: Atom, name: str) -> Goal | None:
    """What a property has to satisfy, or None where patterns would have to be tried."""
    if name in atom.properties:
        return atom.properties[name]
    return None if atom.patterns else atom.additional


def _refuses(atom: Atom, value: object) -> bool:
    types = json_types(value)
    if atom.kind not in types:
        return True
    if isinstance(value, str):
        return not atom.keywords.get("minLength", 0) <= len(value) <= atom.keywords.get("maxLength", len(value))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _ranges_apart(atom, Atom("number", "", keywords={"minimum": value, "maximum": value}))
    if isinstance(value, dict):
        return any(name not in value for name in atom.required)
    return False


def _ranges_apart(first: Atom, second: Atom) -> bool:
    return _is_above(first, second) or _is_above(second, first)


def _is_above(first: Atom, second: Atom) -> bool:
    """Whether every number of the first is above every number of the second."""
    lower = first.keywords.get("minimum", first.keywords.get("exclusiveMinimum"))
    upper = second.keywords.get("maximum", second.keywords.get("exclusiveMaximum"))
    if lower is None or upper is None:
        return False
    strict = "exclusiveMinimum" in first.keywords or "exclusiveMaximum" in second.keywords
    return bool(lower > upper or (lower == upper and strict))


def _sizes_apart(first: Atom, second: Atom, least: str, most: str) -> bool:
    return any(
        most in other.keywords and atom.keywords.get(least, 0) > other.keywords[most]
        for atom, other in ((first, second), (second, first))
    )
