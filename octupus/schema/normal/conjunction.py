"""In-place keywords: a goal taken apart into alternatives, each a conjunction of plain keywords.

`$ref` and `allOf` add places to a conjunction; `anyOf` and everything that reads as a choice multiplies it. A place
that demands itself in place (`{"$ref": "#"}`) has no least solution, and its conjunction is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from octupus.schema.normal.atoms import Cause, Contradiction, Goal
from octupus.schema.normal.choices import Choice, Choices, Overlapping, leaf_negation
from octupus.schema.normal.errors import SchemaLimitError
from octupus.schema.normal.keywords import restricting
from octupus.schema.normal.limits import MAX_ALTERNATIVES, MAX_DISTRIBUTED, Budget
from octupus.schema.normal.references import Place, References
from octupus.schema.unsupported import Unsupported

TYPES = ("null", "boolean", "string", "integer", "fraction", "array", "object")
"""Types that exclude each other: a number is an integer or a fraction."""
_LONGEST_CHAIN = 256
_DYNAMIC = ("$dynamicRef", "$recursiveRef")

Chain = tuple[str, "Chain", int] | None


@dataclass(slots=True)
class Conjunction:
    """Keywords that a value has to satisfy together, by the key of their place."""

    pointer: str
    types: frozenset[str] = frozenset(TYPES)
    parts: dict[str, tuple[Place, dict[str, Any]]] = field(default_factory=dict)
    unexpressed: tuple[Unsupported, ...] = ()
    fractions: tuple[Unsupported, ...] = ()
    """What is left unsaid where numbers are admitted and integers are not."""
    todo: list[tuple[Place, Chain]] = field(default_factory=list)
    """Places still to be taken apart, the next one last, and the places that led there in place."""
    choices: list[tuple[Choice, Chain]] = field(default_factory=list)

    def branch(self, choice: Choice, chain: Chain, places: list[Place]) -> Conjunction:
        """This conjunction with one alternative of a choice taken."""
        parts = dict(self.parts)
        place, keywords = parts[choice.place.key]
        if choice.note is None and choice.is_whole:
            parts[place.key] = place, {name: value for name, value in keywords.items() if name != choice.keyword}
        return Conjunction(
            places[0].pointer if places else self.pointer,
            self.types,
            parts,
            self.unexpressed if choice.note is None else (*self.unexpressed, choice.note),
            self.fractions,
            [(member, chain) for member in reversed(places)],
            list(self.choices),
        )


class Conjunctions:
    """Takes goals of one schema apart."""

    def __init__(self, draft: str, references: References, budget: Budget, overlapping: Overlapping) -> None:
        self._draft = draft
        self._references = references
        self._budget = budget
        self._choices = Choices(draft, references, overlapping)

    def of(self, goal: Goal) -> tuple[list[Conjunction], list[Cause]]:
        """The alternatives of a goal, and why others admit nothing."""
        waiting = [Conjunction(goal.pointer, todo=[(place, None) for place in reversed(goal.places)])]
        finished: list[Conjunction] = []
        causes: list[Cause] = []
        while waiting:
            drained = []
            for conjunction in waiting:
                try:
                    self._drain(conjunction)
                except Contradiction as contradiction:
                    causes.append(contradiction.cause)
                else:
                    drained.append(conjunction)
            finished += [conjunction for conjunction in drained if not conjunction.choices]
            waiting = self._multiplied([conjunction for conjunction in drained if conjunction.choices], len(finished))
        return finished, causes

    def _multiplied(self, conjunctions: list[Conjunction], finished: int) -> list[Conjunction]:
        chosen = [(conjunction, *conjunction.choices.pop(0)) for conjunction in conjunctions]
        total = finished + sum(len(choice.alternatives) for _, choice, _ in chosen)
        alone = len(chosen) == 1 and not finished
        result = []
        for conjunction, choice, chain in chosen:
            self._budget.spend(1, choice.pointer)
            if alone and total > MAX_ALTERNATIVES:
                raise SchemaLimitError(
                    choice.keyword, choice.pointer, f"it has {total} alternatives; at most {MAX_ALTERNATIVES} are read"
                )
            if total > MAX_DISTRIBUTED and not alone:
                note = choice.note or choice.unexpressed(
                    f"with its siblings it multiplies out to over {MAX_DISTRIBUTED} alternatives; nest or merge them"
                )
                conjunction.unexpressed += (note,)
                result.append(conjunction)
            else:
                self._budget.spend(len(choice.alternatives) * (1 + len(conjunction.parts)), choice.pointer)
                result += [conjunction.branch(choice, chain, places) for places in choice.alternatives]
        return result

    def _drain(self, conjunction: Conjunction) -> None:
        while conjunction.todo:
            place, chain = conjunction.todo.pop()
            self._budget.spend(1, place.pointer)
            if _leads_through(chain, place.key):
                raise Contradiction("$ref", place.pointer, "it refers to itself without an end")
            if place.schema is False:
                raise Contradiction("false", place.pointer, "it is false, which no value satisfies")
            if place.schema is True or place.key in conjunction.parts:
                continue
            self._take(conjunction, place, chain)

    def _take(self, conjunction: Conjunction, place: Place, chain: Chain) -> None:
        keywords = restricting(place.schema, self._draft)
        self._budget.spend(len(keywords), place.pointer)
        length = 1 if chain is None else chain[2] + 1
        below = place.key, chain, length
        if length > _LONGEST_CHAIN:
            raise SchemaLimitError("$ref", place.pointer, f"over {_LONGEST_CHAIN} references and choices in a row")
        added = self._added(place, keywords)
        conjunction.types &= _types(keywords.get("type"))
        excluded, settled = leaf_negation(keywords, self._draft)
        if "integer" in excluded and "fraction" not in excluded and conjunction.types >= {"integer", "fraction"}:
            explanation = "a constraint cannot ask for a number that is no integer"
            conjunction.fractions = (place.unsupported("not", explanation),)
        conjunction.types -= excluded
        if settled:
            keywords.pop("not")
        if not conjunction.types:
            keyword = "type" if "type" in keywords else "not"
            raise Contradiction(keyword, place.at(keyword), "no type is left that its siblings admit")
        for keyword in _DYNAMIC:
            if keyword in keywords:
                explanation = "it depends on the way that led there; use $ref"
                conjunction.unexpressed += (place.unsupported(keyword, explanation),)
        choices, notes = self._choices.of(place, keywords)
        conjunction.unexpressed += tuple(notes)
        conjunction.choices += [(choice, below) for choice in choices]
        conjunction.parts[place.key] = place, keywords
        conjunction.todo += [(member, below) for member in reversed(added)]

    def _added(self, place: Place, keywords: dict[str, Any]) -> list[Place]:
        added = []
        if "$ref" in keywords:
            added.append(self._references.resolve(place, keywords.pop("$ref")))
        if "allOf" in keywords:
            added += [self._references.child(place, "allOf", at) for at in range(len(keywords.pop("allOf")))]
        return added


def _types(declared: Any) -> frozenset[str]:
    if declared is None:
        return frozenset(TYPES)
    names = set(declared) if isinstance(declared, list) else {declared}
    return frozenset(names | {"integer", "fraction"} if "number" in names else names)


def _leads_through(chain: Chain, key: str) -> bool:
    while chain is not None:
        if chain[0] == key:
            return True
        chain = chain[1]
    return False
