"""The opposite of a schema, written as alternatives, where it has one."""

from __future__ import annotations

from typing import Any

from octupus.schema.normal.keywords import restricting
from octupus.schema.normal.references import Place, References

_MOST_NEGATIONS = 6
"""Rewrites inside each other, which recursion could otherwise go on with for ever."""
_SIZES = {
    "minLength": ("string", "maxLength", -1),
    "maxLength": ("string", "minLength", 1),
    "minItems": ("array", "maxItems", -1),
    "maxItems": ("array", "minItems", 1),
    "minProperties": ("object", "maxProperties", -1),
    "maxProperties": ("object", "minProperties", 1),
}
_BOUNDS = {
    "minimum": "exclusiveMaximum",
    "maximum": "exclusiveMinimum",
    "exclusiveMinimum": "maximum",
    "exclusiveMaximum": "minimum",
}
_SHALLOW = frozenset({"type", "required"}) | set(_SIZES) | set(_BOUNDS)


class Negation:
    """Negates subschemas of one schema."""

    def __init__(self, draft: str, references: References) -> None:
        self._draft = draft
        self._references = references

    def of(self, negated: Place, place: Place, keyword: str, *, shallow: bool = False) -> list[list[Place]] | None:
        """Alternatives that together are the opposite of `negated`, for use at `keyword` of `place`; None if unknown.

        `shallow` leaves out those that hold a `not` of their own. An enum alone has none: it is up to its siblings.
        """
        for _ in range(_MOST_NEGATIONS):
            if not isinstance(negated.schema, dict):
                return [] if negated.schema is True else [[]]
            keywords = restricting(negated.schema, self._draft)
            if set(keywords) != {"$ref"}:
                break
            negated = self._references.resolve(negated, keywords["$ref"])
        if negated.key.count("!") > _MOST_NEGATIONS or (shallow and not set(keywords) <= _SHALLOW):
            return None
        if shallow and "integer" in keywords.get("type", ()) and "number" not in keywords["type"]:
            # That leaves numbers that are no integers, which the normal form cannot say.
            return None
        if set(keywords) <= {"enum", "const"}:
            return None if keywords else []
        found: list[list[Any]] = []
        for name, value in keywords.items():
            opposite = self._opposite(name, value)
            if opposite is None:
                return None
            found += opposite
        # What is made keeps the base of what it was made of, so that references in it lead where they did.
        source = Place(negated.schema, place.at(keyword), f"{place.key}/{keyword}!{negated.key}", negated.base, False)
        return [
            [source.made(schema, keyword, f"{at}.{part}") for part, schema in enumerate(schemas)]
            for at, schemas in enumerate(found)
        ]

    def _opposite(self, keyword: str, value: Any) -> list[list[Any]] | None:
        if keyword in ("type", "enum", "const"):
            return [[{"not": {keyword: value}}]]
        if keyword == "required":
            return [[{"type": "object", "properties": {name: False}}] for name in value]
        if keyword == "properties":
            return [
                [{"type": "object", "required": [name], "properties": {name: {"not": schema}}}]
                for name, schema in value.items()
                if schema not in (True, {})
            ]
        if keyword == "not":
            return [[value]]
        if keyword == "allOf":
            return [[{"not": member}] for member in value]
        if keyword == "anyOf":
            return [[{"not": member} for member in value]]
        if keyword in _SIZES:
            kind, opposite, offset = _SIZES[keyword]
            size = int(value) + offset
            return [[{"type": kind, opposite: size}]] if size >= 0 else []
        if keyword in _BOUNDS and self._draft != "draft-04":
            return [[{"type": "number", _BOUNDS[keyword]: value}]]
        return None
