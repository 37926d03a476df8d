"""Lengths, patterns and formats of strings, merged."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from octupus.schema.normal.atoms import Atom, Contradiction
from octupus.schema.normal.formats import FORMATS
from octupus.schema.normal.limits import Budget
from octupus.schema.normal.pattern_cost import pattern_cost
from octupus.schema.normal.references import Place
from octupus.schema.patterns import PatternError, parse_pattern

Part = tuple[Place, dict[str, Any]]


class Strings:
    """Builds the atoms of strings of one schema, and reads its patterns."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._problems: dict[tuple[str, int, int | None], str | None] = {}

    def atom(self, parts: list[Part], pointer: str) -> Atom:
        """The atom of the strings that all parts admit. Raises Contradiction."""
        atom = Atom("string", pointer)
        least = max((int(keywords["minLength"]) for _, keywords in parts if "minLength" in keywords), default=0)
        most = min((int(keywords["maxLength"]) for _, keywords in parts if "maxLength" in keywords), default=None)
        if most is not None and least > most:
            place = next(place for place, keywords in parts if "maxLength" in keywords)
            raise Contradiction("maxLength", place.at("maxLength"), f"minLength {least} is above maxLength {most}")
        if least:
            atom.keywords["minLength"] = least
        if most is not None:
            atom.keywords["maxLength"] = most
        for place, keyword, pattern in _patterns(parts):
            if atom.keywords.get("pattern", pattern) != pattern:
                explanation = "the string has another pattern already, and a constraint holds one; join them by hand"
                atom.unexpressed += (place.unsupported(keyword, explanation),)
            elif (problem := self._problem(pattern, least, most)) is None:
                atom.keywords["pattern"] = pattern
            elif problem:
                atom.unexpressed += (place.unsupported(keyword, problem),)
            else:
                raise Contradiction(keyword, place.at(keyword), "no string of the lengths allowed matches it")
        return atom

    def unreadable(self, pattern: str) -> str:
        """Why a pattern of names cannot be held, or nothing."""
        return self._problem(pattern, 0, None) or ""

    def _problem(self, pattern: str, least: int, most: int | None) -> str | None:
        key = pattern, least, most
        if key not in self._problems:
            self._problems[key] = (
                "the patterns of this schema are together too large; shorten their repetitions or lengths"
            )
            if self._budget.affords_pattern(pattern_cost(pattern, least if most is None else most)):
                self._problems[key] = _problem(pattern, least, most)
        return self._problems[key]


@lru_cache(maxsize=4096)
def _problem(pattern: str, least: int, most: int | None) -> str | None:
    """Why a pattern cannot be held: an explanation, nothing where no string matches, None where it can."""
    try:
        parsed = parse_pattern(pattern, shortest_length=least, longest_length=most)
    except PatternError as error:
        return str(error)
    return "" if parsed.distance is None else None


def _patterns(parts: list[Part]) -> list[tuple[Place, str, str]]:
    """Patterns of the author before those that stand for formats."""
    written = [(place, "pattern", keywords["pattern"]) for place, keywords in parts if "pattern" in keywords]
    formats = [(place, keywords.get("format")) for place, keywords in parts]
    return written + [(place, "format", FORMATS[name]) for place, name in formats if name in FORMATS]
