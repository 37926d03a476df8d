"""Keywords of objects, merged property by property."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from octupus.schema.normal.atoms import Atom, Contradiction, Goal
from octupus.schema.normal.keywords import IN_PLACE
from octupus.schema.normal.limits import Budget
from octupus.schema.normal.names import NAMES_OF_ALL, PropertyNames
from octupus.schema.normal.references import Place, References
from octupus.schema.normal.strings import Strings
from octupus.schema.unsupported import Unsupported
from octupus.schema.validation import validator

Part = tuple[Place, dict[str, Any]]


@dataclass(slots=True)
class Properties:
    """What one place says of properties: by name, by pattern, and of all others."""

    place: Place
    named: dict[str, Place]
    patterns: dict[str, Place]
    additional: Place | None

    def of(self, name: str) -> list[Place]:
        """What it asks of one property."""
        found = [self.named[name]] if name in self.named else []
        found += [place for pattern, place in self.patterns.items() if matches(pattern, name)]
        if not found and self.additional is not None:
            found.append(self.additional)
        return found


class Objects:
    """Builds the atoms of objects of one schema."""

    def __init__(
        self,
        references: References,
        budget: Budget,
        strings: Strings,
        names: PropertyNames,
        goal: Callable[[list[Place]], Goal],
    ) -> None:
        self._references = references
        self._budget = budget
        self._strings = strings
        self._names = names
        self._goal = goal

    def atom(self, parts: list[Part], pointer: str, *, closed: bool) -> Atom:
        """The atom of the objects that all parts admit. Raises Contradiction."""
        atom = Atom("object", pointer)
        least = max((int(keywords["minProperties"]) for _, keywords in parts if "minProperties" in keywords), default=0)
        most = min(
            (int(keywords["maxProperties"]) for _, keywords in parts if "maxProperties" in keywords), default=None
        )
        atom.required = list(dict.fromkeys(name for _, keywords in parts for name in keywords.get("required", ())))
        read: list[Properties] = []
        for place, keywords in parts:
            read.append(self._properties(place, keywords, atom))
            if "propertyNames" in keywords:
                read += self._property_names(place, atom)
        self._merge(atom, read)
        least = least if least > len(atom.required) else 0
        if most is not None and max(least, len(atom.required)) > most:
            place = next(place for place, keywords in parts if "maxProperties" in keywords)
            explanation = f"at least {max(least, len(atom.required))} properties are asked for"
            raise Contradiction("maxProperties", place.at("maxProperties"), explanation)
        atom.keywords = {"minProperties": least} if least else {}
        if most is not None:
            atom.keywords["maxProperties"] = most
        listed = any(place.written and "properties" in keywords for place, keywords in parts)
        speaks = any(
            {"additionalProperties", "patternProperties", "propertyNames", "unevaluatedProperties"} & set(keywords)
            for _, keywords in parts
        )
        atom.closes = closed and listed and not speaks and least <= len(atom.properties)
        return atom

    def _properties(self, place: Place, keywords: dict[str, Any], atom: Atom) -> Properties:
        child = self._references.child
        named = {name: child(place, "properties", name) for name in keywords.get("properties", ())}
        patterns = {name: child(place, "patternProperties", name) for name in keywords.get("patternProperties", ())}
        additional = child(place, "additionalProperties") if "additionalProperties" in keywords else None
        if additional is None and "unevaluatedProperties" in keywords:
            if IN_PLACE & set(place.schema):
                explanation = "it depends on schemas beside it; merge them, and write additionalProperties"
                atom.unexpressed += (place.unsupported("unevaluatedProperties", explanation),)
            else:
                additional = child(place, "unevaluatedProperties")
        for pattern in list(patterns):
            problem = self._strings.unreadable(pattern)
            if not problem:
                continue
            del patterns[pattern]
            # A property that it would match is no additional one.
            additional = None
            atom.unexpressed += (place.unsupported("patternProperties", problem),)
        self._budget.spend(len(named) * (1 + len(patterns)), place.pointer)
        return Properties(place, named, patterns, additional)

    def _property_names(self, place: Place, atom: Atom) -> list[Properties]:
        names = self._names.of(self._references.child(place, "propertyNames"))
        if names is None:
            explanation = "only an enum, a const or one pattern of names can be held"
            atom.unexpressed += (place.unsupported("propertyNames", explanation),)
            return []
        if names == NAMES_OF_ALL:
            return []
        anything = place.made(True, "propertyNames", "any")
        return [
            Properties(
                place,
                dict.fromkeys(names.listed, anything),
                dict.fromkeys(names.patterns, anything),
                place.made(False, "propertyNames", "none"),
            )
        ]

    def _merge(self, atom: Atom, read: list[Properties]) -> None:
        names = dict.fromkeys(name for properties in read for name in properties.named)
        matched = sum(len(properties.patterns) + 1 for properties in read)
        self._budget.spend((len(names) + matched) * matched, atom.pointer)
        for name in names:
            atom.properties[name] = self._goal([place for properties in read for place in properties.of(name)])
        atom.additional = self._goal(
            [properties.additional for properties in read if properties.additional is not None]
        )
        nothing_else = any(place.schema is False for place in atom.additional.places)
        for pattern in dict.fromkeys(pattern for properties in read for pattern in properties.patterns):
            places, dropped = self._of_pattern(pattern, read, atom.properties, keeps=not nothing_else)
            goal = self._goal(places)
            if not (nothing_else and any(place.schema is False for place in goal.places)):
                atom.patterns[pattern] = goal
            atom.unexpressed += tuple(dropped)

    def _of_pattern(
        self, pattern: str, read: list[Properties], named: dict[str, Goal], *, keeps: bool
    ) -> tuple[list[Place], list[Unsupported]]:
        """What properties that match a pattern and are not listed have to satisfy, and what cannot be said of them."""
        places, dropped = [], []
        for properties in read:
            if pattern in properties.patterns:
                places.append(properties.patterns[pattern])
            elif properties.additional is not None:
                # A pattern of the merged object holds for its listed properties, too, which are no additional ones
                # where they were listed; and another pattern of the same place may match the same name.
                refused = properties.additional.schema is False and not keeps
                listed = not refused and any(matches(pattern, name) for name in named if name in properties.named)
                if properties.patterns or listed:
                    explanation = f"the pattern {pattern!r} of a schema merged with this one applies to some of them"
                    dropped.append(properties.place.unsupported("additionalProperties", explanation))
                else:
                    places.append(properties.additional)
        return places, dropped


def matches(pattern: str, name: str) -> bool:
    """Whether a readable pattern matches somewhere in a name, in linear time."""
    return validator({"pattern": pattern}).is_valid(name)
