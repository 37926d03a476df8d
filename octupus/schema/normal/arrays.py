"""Keywords of arrays, merged position by position."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from octupus.schema.normal.atoms import Atom, Contradiction, Goal
from octupus.schema.normal.keywords import IN_PLACE, restricting
from octupus.schema.normal.references import Place, References
from octupus.schema.unsupported import Unsupported

Part = tuple[Place, dict[str, Any]]


@dataclass(slots=True)
class _Items:
    prefix: list[Place]
    rest: Place | None


class Arrays:
    """Builds the atoms of arrays of one schema."""

    def __init__(self, draft: str, references: References, goal: Callable[[list[Place]], Goal]) -> None:
        self._draft = draft
        self._references = references
        self._goal = goal

    def atom(self, parts: list[Part], pointer: str) -> Atom:
        """The atom of the arrays that all parts admit. Raises Contradiction."""
        atom = Atom("array", pointer)
        least = max((int(keywords["minItems"]) for _, keywords in parts if "minItems" in keywords), default=0)
        most = min((int(keywords["maxItems"]) for _, keywords in parts if "maxItems" in keywords), default=None)
        items = []
        for place, keywords in parts:
            read, notes = self._items(place, keywords)
            items.append(read)
            atom.unexpressed += tuple(notes)
        for place, keywords in parts:
            least, most, notes, inside = self._contains(place, keywords, least, most)
            items += inside
            atom.unexpressed += tuple(notes)
        if most is not None and least > most:
            keyword, place = next(
                (keyword, place)
                for keyword in ("maxItems", "maxContains", "minItems", "contains")
                for place, keywords in parts
                if keyword in keywords
            )
            raise Contradiction(keyword, place.at(keyword), f"at least {least} items and at most {most} are asked for")
        for place, keywords in parts:
            if keywords.get("uniqueItems") is True and (most is None or most > 1):
                explanation = "a constraint cannot compare items; use an object with a boolean for each value"
                atom.unexpressed += (place.unsupported("uniqueItems", explanation),)
        length = max((len(read.prefix) for read in items), default=0)
        atom.prefix = [self._position(items, at) for at in range(length)]
        atom.items = self._position(items, length)
        atom.keywords = {"minItems": least} if least else {}
        if most is not None:
            atom.keywords["maxItems"] = most
        return atom

    def _position(self, items: list[_Items], at: int) -> Goal:
        places = [read.prefix[at] if at < len(read.prefix) else read.rest for read in items]
        return self._goal([place for place in places if place is not None])

    def _items(self, place: Place, keywords: dict[str, Any]) -> tuple[_Items, list[Unsupported]]:
        listed = "prefixItems" if "prefixItems" in keywords and self._draft == "2020-12" else "items"
        following = "items" if self._draft == "2020-12" else "additionalItems"
        if not isinstance(keywords.get(listed), list):
            # Without a list, `items` holds for every item, and `additionalItems` for none.
            listed, following = "", "items"
        prefix = [self._references.child(place, listed, at) for at in range(len(keywords[listed]))] if listed else []
        if following in keywords:
            return _Items(prefix, self._references.child(place, following)), []
        if "unevaluatedItems" not in keywords:
            return _Items(prefix, None), []
        if not (IN_PLACE | {"contains"}) & set(place.schema):
            return _Items(prefix, self._references.child(place, "unevaluatedItems")), []
        explanation = "it depends on schemas beside it; write items into each of them"
        return _Items(prefix, None), [place.unsupported("unevaluatedItems", explanation)]

    def _contains(
        self, place: Place, keywords: dict[str, Any], least: int, most: int | None
    ) -> tuple[int, int | None, list[Unsupported], list[_Items]]:
        """Bounds that follow from `contains`, what they leave open, and what items are then asked for."""
        if "contains" not in keywords:
            return least, most, [], []
        fewest = int(keywords.get("minContains", 1))
        largest = keywords.get("maxContains")
        least = max(least, fewest)
        wanted = self._references.child(place, "contains")
        trivial = wanted.schema is True or (wanted.schema and not restricting(wanted.schema, self._draft))
        if trivial or (wanted.schema is False and not fewest):
            most = most if largest is None or not trivial else min(int(largest), int(largest) if most is None else most)
            return least, most, [], []
        if wanted.schema is False:
            raise Contradiction("contains", place.at("contains"), "no item is false")
        if largest is None and (fewest == 0 or self._is_items(keywords, wanted)):
            return least, most, [], []
        if largest is None and most is not None and least == most == fewest:
            return least, most, [], [_Items([], wanted)]
        explanation = "a constraint cannot wait for an item to come; put it first with prefixItems"
        return least, most, [place.unsupported("contains", explanation)], []

    def _is_items(self, keywords: dict[str, Any], wanted: Place) -> bool:
        """Whether every item is asked for the same."""
        same = keywords.get("items") == wanted.schema and repr(keywords.get("items")) == repr(wanted.schema)
        return same and not keywords.get("prefixItems")
