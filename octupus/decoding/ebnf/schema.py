"""From a normal form to rules, one for each subschema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from octupus.decoding.ebnf import numbers, objects, strings
from octupus.decoding.ebnf.rules import COLON, COMMA, Inexpressible, Rules, is_text, literal, repeated

DEEPEST = 100
MOST_ITEMS = 1000
_REFERENCE = "#/$defs/"
_ENUM_COST = 0.02
"""Milliseconds for each character of a listed value."""


class Translation:
    """The rules of a normal form; `problems` names the subschemas that have none. Without problems it is exact."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.rules = Rules()
        self.problems: list[tuple[dict[str, Any], Inexpressible]] = []
        self._definitions: dict[str, Any] = schema.get("$defs", {})
        self._references: dict[str, str] = {}
        self._anything: str | None = None
        root = {keyword: value for keyword, value in schema.items() if keyword != "$defs"}
        self._check_references(schema, root)
        self.root = self.value(schema if "$defs" not in schema else root, 0) if not self.problems else ""

    def grammar(self, before: str, after: str) -> str:
        """The grammar of the value with EBNF around it."""
        return self.rules.text(f"{before} {self.root} {after}")

    def value(self, schema: dict[str, Any], depth: int) -> str:
        """The rule of a subschema."""
        try:
            return self.rules.add(self._body(schema, depth))
        except Inexpressible as problem:
            self.problems.append((schema, problem))
            return '""'

    def anything(self) -> str:
        """The rule of any JSON value."""
        if self._anything is None:
            name = self._anything = self.rules.reserve()
            self.rules.spend(20, "")
            text = self.rules.add(strings.string({}, self.rules))
            pair = self.rules.add(f"{strings.key_beside([], self.rules)} {COLON} {name}")
            listed = [f'"[" ({name} ({COMMA} {name})*)? "]"', f'"{{" ({pair} ({COMMA} {pair})*)? "}}"']
            plain = [numbers.FREE_NUMBER, '"true"', '"false"', '"null"']
            self.rules.define(name, " | ".join([text, *listed, *plain]))
        return self._anything

    def _body(self, schema: dict[str, Any], depth: int) -> str:
        if depth > DEEPEST:
            raise Inexpressible("", f"it is nested deeper than {DEEPEST}")
        if not schema:
            return self.anything()
        if "$ref" in schema:
            return self._reference(schema["$ref"], depth)
        if "anyOf" in schema:
            return " | ".join(self.value(member, depth + 1) for member in schema["anyOf"])
        if "enum" in schema:
            return self._listed(schema["enum"])
        self.rules.spend(1, "")
        match schema.get("type"):
            case "null":
                return '"null"'
            case "boolean":
                return '"true" | "false"'
            case "string":
                return strings.string(schema, self.rules)
            case "integer":
                return numbers.integer(schema)
            case "number":
                return numbers.number(schema)
            case "array":
                return self._array(schema, depth)
            case "object":
                return objects.ObjectRules(schema, self, depth).rule()
        raise Inexpressible(next(iter(schema)), "no keyword of the normal form")

    def _reference(self, reference: str, depth: int) -> str:
        if reference not in self._references:
            self._references[reference] = self.rules.reserve()
            target = self.value(self._definitions[reference.removeprefix(_REFERENCE)], depth + 1)
            self.rules.define(self._references[reference], target)
        return self._references[reference]

    def _listed(self, values: list[Any]) -> str:
        if not values:
            raise Inexpressible("enum", "no value is admitted")
        texts = [_json_text(value) for value in values]
        self.rules.spend(_ENUM_COST * sum(json_length(value) for value in values), "enum")
        return " | ".join(texts)

    def _array(self, schema: dict[str, Any], depth: int) -> str:
        leading = schema.get("prefixItems", [])
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        items = schema.get("items", {})
        if items is False:
            most = len(leading) if most is None else min(most, len(leading))
        if least > MOST_ITEMS or (most is not None and least > most) or (most or 0) > MOST_ITEMS:
            keyword = "minItems" if least > MOST_ITEMS else "maxItems"
            raise Inexpressible(keyword, f"it is beyond {MOST_ITEMS}, or no length is left")
        if most == 0:
            return '"[]"'
        first = [self.value(item, depth + 1) for item in leading[:most]]
        rest: str | None = None
        if most is None or most > len(first):
            rest = self.value(items, depth + 1)
        return f'"[" {self._items(first, rest, least, most)}'

    def _items(self, first: list[str], rest: str | None, least: int, most: int | None) -> str:
        """What stands behind the opening bracket, from the last item to the first."""
        end = '"]"'
        if rest is not None:
            count = len(first)
            if not first:
                further = self.rules.add(f"{COMMA} {rest}")
                filled = f"{rest} {repeated(further, max(least - 1, 0), None if most is None else most - 1)}"
                return f'{filled} "]"' if least else f'({filled})? "]"'
            further = self.rules.add(f"{COMMA} {rest}")
            end = f'{repeated(further, max(least - count, 0), None if most is None else most - count)} "]"'
        body = end
        for index in range(len(first) - 1, -1, -1):
            separator = f"{COMMA} " if index else ""
            stop = ' | "]"' if index >= least else ""
            body = self.rules.add(f"{separator}{first[index]} {body}{stop}")
        return body

    def _check_references(self, schema: dict[str, Any], root: dict[str, Any]) -> None:
        """A definition that leads to itself without an array or object between has no meaning as a rule."""
        for name in self._definitions:
            waiting, seen = list(_heads(self._definitions[name])), set()
            while waiting:
                head = waiting.pop()
                if head == name:
                    self.problems.append((schema, Inexpressible("$defs", f"{name} refers to itself alone")))
                    return
                if head not in seen:
                    seen.add(head)
                    waiting += _heads(self._definitions[head])


def translate(schema: dict[str, Any]) -> Translation:
    """The rules of the schema of a normal form."""
    return Translation(schema)


def json_length(value: Any) -> int:
    """Characters of a value as JSON."""
    return len(json.dumps(value))


def _heads(schema: dict[str, Any]) -> Iterator[str]:
    """Definitions whose instances are instances of the schema as they are."""
    waiting = [schema]
    while waiting:
        current = waiting.pop()
        if "$ref" in current:
            yield current["$ref"].removeprefix(_REFERENCE)
        waiting += current.get("anyOf", [])


def _json_text(value: Any) -> str:
    """A fixed value with its optional spaces."""
    pieces = json.dumps(value, ensure_ascii=False, separators=("\0,", "\0:")).split("\0")
    if not all(map(is_text, pieces)):
        raise Inexpressible("enum", "a value holds half of a surrogate pair")
    return " ".join([literal(pieces[0]), *(f'{literal(piece[0])} " "? {literal(piece[1:])}' for piece in pieces[1:])])
