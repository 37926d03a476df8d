"""Conjunctions of finitely many values: each value is tried, so that every keyword beside them is exact."""

from __future__ import annotations

import json
from typing import Any

from octupus.schema.normal.equality import distinct, identity, json_types
from octupus.schema.normal.limits import Budget
from octupus.schema.normal.references import Place
from octupus.schema.unsupported import Unsupported
from octupus.schema.validation import DEFAULT_DRAFT, check_schema, validator

Part = tuple[Place, dict[str, Any]]
_URI = {
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
    "2019-09": "https://json-schema.org/draft/2019-09/schema",
}
_DEFINITIONS = ("$defs", "definitions")


def listed_values(parts: list[Part]) -> list[Any] | None:
    """The values of the first enum or const, or None where there is none."""
    for _, keywords in parts:
        if "const" in keywords:
            return [keywords["const"]]
        if "enum" in keywords:
            return distinct(keywords["enum"])
    return None


class Finite:
    """Filters values by the keywords of one schema."""

    def __init__(self, root: Any, draft: str, budget: Budget) -> None:
        self._root = root
        self._draft = draft
        self._budget = budget

    def admitted(
        self, values: list[Any], parts: list[Part], types: frozenset[str]
    ) -> tuple[list[Any], tuple[Unsupported, ...]]:
        """The values that all parts admit, and keywords that could not be tried."""
        kept = [value for value in values if _kinds(value) & types]
        unexpressed: tuple[Unsupported, ...] = ()
        for place, keywords in parts:
            self._budget.spend(1 + len(kept) // 8, place.pointer)
            kept = _by_equality(kept, keywords)
            others = {
                name: value for name, value in keywords.items() if name not in ("type", "enum", "const", "format")
            }
            if not others or not kept:
                continue
            complete = self._complete(others)
            # Draft 04 has no boolean schemas, and rewrites write some.
            if complete is None or check_schema(complete) is not None:
                keyword = next(iter(others))
                explanation = "its references lead to more than $defs, so values beside it cannot be tried against it"
                unexpressed += (place.unsupported(keyword, explanation),)
                continue
            compiled = validator(complete)
            self._budget.spend(20 + 2 * len(kept), place.pointer)
            kept = [value for value in kept if compiled.is_valid(value)]
        return kept, unexpressed

    def _complete(self, keywords: dict[str, Any]) -> dict[str, Any] | None:
        """The keywords as a schema of their own, with the definitions they refer to; None if they refer elsewhere."""
        schema = dict(keywords)
        if self._draft != DEFAULT_DRAFT:
            schema["$schema"] = _URI.get(self._draft, f"http://json-schema.org/{self._draft}/schema#")
        if not any(keyword in json.dumps(schema) for keyword in ('"$ref"', '"$dynamicRef"', '"$recursiveRef"')):
            return schema
        definitions = {name: self._root[name] for name in _DEFINITIONS if name in self._root}
        # Compiling reads all of them, each time.
        self._budget.spend(len(json.dumps(definitions)) // 64, "")
        if not _refers_to_definitions([schema, definitions]):
            return None
        return {**schema, **definitions}


def _refers_to_definitions(waiting: list[Any]) -> bool:
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            reference = value.get("$ref", "#/$defs/")
            known = isinstance(reference, str) and reference.startswith(("#/$defs/", "#/definitions/"))
            if not known or {"$id", "id", "$dynamicRef", "$recursiveRef"} & set(value):
                return False
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return True


def _by_equality(values: list[Any], keywords: dict[str, Any]) -> list[Any]:
    for keyword in ("enum", "const"):
        if keyword in keywords:
            allowed = {identity(value) for value in (keywords["enum"] if keyword == "enum" else [keywords["const"]])}
            values = [value for value in values if identity(value) in allowed]
    return values


def _kinds(value: Any) -> frozenset[str]:
    kinds = json_types(value)
    return (
        kinds - {"number"}
        if "integer" in kinds
        else frozenset("fraction" if kind == "number" else kind for kind in kinds)
    )
