"""Keywords that read as a choice between schemas: anyOf, oneOf, not, if, and dependencies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

from octupus.schema.normal.atoms import Contradiction
from octupus.schema.normal.keywords import restricting
from octupus.schema.normal.negation import Negation
from octupus.schema.normal.references import Place, References
from octupus.schema.unsupported import Unsupported

_MOST_DEPENDENCIES = 4
_MOST_EXCLUSIONS = 64
_DEPENDENCIES = ("dependencies", "dependentRequired", "dependentSchemas")
Overlapping = Callable[[list[Place], Place], tuple[Place, Place] | None]
"""Finds two members that may both hold beside a third place."""
_NUMBERS = {"number": {"integer", "fraction"}}


@dataclass(frozen=True, slots=True)
class Choice:
    """Alternatives, of which a value has to satisfy one; each is a list of places."""

    place: Place
    keyword: str
    alternatives: list[list[Place]]
    note: Unsupported | None = None
    """What the alternatives admit beyond the keyword."""
    is_whole: bool = True
    """Whether it says all that the keyword says, so that the keyword need not be looked at again."""

    @property
    def pointer(self) -> str:
        """Where the keyword stands."""
        return self.place.at(self.keyword)

    def unexpressed(self, explanation: str) -> Unsupported:
        """A note on this keyword."""
        return self.place.unsupported(self.keyword, explanation)


class Choices:
    """Reads the choices of places."""

    def __init__(self, draft: str, references: References, overlapping: Overlapping) -> None:
        self._draft = draft
        self._references = references
        self._overlapping = overlapping
        self._negation = Negation(draft, references)

    def of(self, place: Place, keywords: dict[str, Any]) -> tuple[list[Choice], list[Unsupported]]:
        """The choices that the keywords of a place hold, and keywords that no choice says."""
        found: list[Choice] = []
        if "not" in keywords:
            found.append(self._not(place, keywords))
        if "if" in keywords:
            found += self._condition(place, keywords)
        for keyword in _DEPENDENCIES:
            found += self._dependencies(place, keyword, keywords.get(keyword) or {})
        if "anyOf" in keywords:
            found.append(Choice(place, "anyOf", [[member] for member in self._members(place, "anyOf")]))
        if "oneOf" in keywords:
            found.append(self._one_of(place, keywords))
        for choice in found:
            if not choice.alternatives:
                raise Contradiction(choice.keyword, choice.pointer, "it refuses every value")
        # An alternative without a demand makes the whole choice say nothing.
        trivial = [choice for choice in found if any(self._is_trivial(places) for places in choice.alternatives)]
        return (
            [choice for choice in found if choice not in trivial],
            [choice.note for choice in trivial if choice.note is not None],
        )

    def _members(self, place: Place, keyword: str) -> list[Place]:
        return [self._references.child(place, keyword, at) for at in range(len(place.schema[keyword]))]

    def _is_trivial(self, places: list[Place]) -> bool:
        return all(
            place.schema is True or (place.schema is not False and not restricting(place.schema, self._draft))
            for place in places
        )

    def _not(self, place: Place, keywords: dict[str, Any]) -> Choice:
        negated = self._negation.of(self._references.child(place, "not"), place, "not")
        if negated is not None:
            return Choice(place, "not", negated)
        note = place.unsupported("not", "it has no equivalent that a constraint can hold; say what is allowed")
        return Choice(place, "not", [[]], note)

    def _condition(self, place: Place, keywords: dict[str, Any]) -> list[Choice]:
        test = place.made(keywords["if"], "if", "holds")
        holds = [test, *self._branch(place, keywords, "then")]
        fails = self._branch(place, keywords, "else")
        if not fails and len(holds) == 1:
            return []
        negated = self._negation.of(self._references.child(place, "if"), place, "if")
        if negated is not None:
            return [Choice(place, "if", [holds, *([*places, *fails] for places in negated)])]
        note = place.unsupported("if", "its opposite cannot be written; test one property's const or enum")
        return [Choice(place, "if", [holds, fails], note)]

    def _branch(self, place: Place, keywords: dict[str, Any], keyword: str) -> list[Place]:
        return [self._references.child(place, keyword)] if keyword in keywords else []

    def _dependencies(self, place: Place, keyword: str, demanded: dict[str, Any]) -> list[Choice]:
        wanted = {name: demand for name, demand in demanded.items() if demand not in ([], True, {})}
        if len(wanted) > _MOST_DEPENDENCIES:
            note = place.unsupported(keyword, f"over {_MOST_DEPENDENCIES} of them multiply out too far")
            return [Choice(place, keyword, [[]], note)]
        found = []
        for name, demand in wanted.items():
            absent = place.made({"properties": {name: False}}, keyword, f"without {name}")
            names = list(dict.fromkeys([name, *demand])) if isinstance(demand, list) else [name]
            present = [place.made({"type": "object", "required": names}, keyword, f"with {name}")]
            if not isinstance(demand, list):
                present.append(self._references.child(place, keyword, name))
            found.append(Choice(place, keyword, [[absent], present], is_whole=False))
        return found

    def _one_of(self, place: Place, keywords: dict[str, Any]) -> Choice:
        members = [member for member in self._members(place, "oneOf") if member.schema is not False]
        if not members:
            raise Contradiction("oneOf", place.at("oneOf"), "all its members are false")
        context = {"type": keywords["type"]} if "type" in keywords else {}
        beside = place.made(context, "oneOf", "type")
        overlapping = self._overlapping(members, beside)
        anyone = [[member] for member in members]
        if overlapping is None:
            return Choice(place, "oneOf", anyone)
        exclusive = self._exclusive(place, members)
        if exclusive is not None:
            return Choice(place, "oneOf", exclusive)
        first, second = (member.pointer for member in overlapping)
        explanation = (
            f"{first} and {second} may both hold; use anyOf, or give each a required property with its own const"
        )
        return Choice(place, "oneOf", anyone, place.unsupported("oneOf", explanation))

    def _exclusive(self, place: Place, members: list[Place]) -> list[list[Place]] | None:
        """Each member and not the others, or None where that has no small equivalent."""
        if len(members) > _MOST_EXCLUSIONS:
            return None
        negated = [self._negation.of(member, place, "oneOf", shallow=True) for member in members]
        found: list[list[Place]] = []
        for at, member in enumerate(members):
            others = [alternatives for other, alternatives in enumerate(negated) if other != at]
            count = 1
            for alternatives in others:
                count *= len(alternatives) if alternatives is not None else _MOST_EXCLUSIONS + 1
                if len(found) + count > _MOST_EXCLUSIONS:
                    return None
            found += [
                [member, *(place for places in chosen for place in places)]
                for chosen in product(*(alternatives or [] for alternatives in others))
            ]
        return found


def leaf_negation(keywords: dict[str, Any], draft: str) -> tuple[frozenset[str], bool]:
    """The types that `not` excludes and whether that is all it says."""
    schema = keywords.get("not")
    if not isinstance(schema, dict):
        return frozenset(), schema is False
    negated = restricting(schema, draft)
    if set(negated) != {"type"}:
        return frozenset(), False
    declared = negated["type"]
    names = declared if isinstance(declared, list) else [declared]
    return frozenset(kind for name in names for kind in _NUMBERS.get(name, {name})), True
