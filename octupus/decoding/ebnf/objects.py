"""Objects: declared properties in their order, then others, each counted where their number matters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from octupus.decoding.ebnf import strings
from octupus.decoding.ebnf.rules import COLON, COMMA, Inexpressible, either, is_text, literal, repeated

if TYPE_CHECKING:
    from octupus.decoding.ebnf.schema import Translation

_MOST_STATES = 4000
_END = '"}"'


class ObjectRules:
    """The rules of one object schema."""

    def __init__(self, schema: dict[str, Any], translation: Translation, depth: int) -> None:
        self._schema = schema
        self._translation = translation
        self._rules = translation.rules
        self._depth = depth
        self._properties: dict[str, Any] = dict(schema.get("properties", {}))
        self._required = set(schema.get("required", []))
        self._additional: Any = schema.get("additionalProperties", {})
        self._least, self._most = schema.get("minProperties", 0), schema.get("maxProperties")

    def rule(self) -> str:
        """The body of the object's rule. Raises Inexpressible."""
        self._declare_required()
        further = self._further()
        pairs = self._pairs()
        if further is not None and self._least > max(1, len(self._required)):
            raise Inexpressible("minProperties", "a free key that is written twice would count twice")
        if self._least <= len(self._required):
            self._least = 0
        if self._most is not None and further is None and self._most >= len(pairs):
            self._most = None
        return f'"{{" {self._states(pairs, further)}'

    def _declare_required(self) -> None:
        for name in self._schema.get("required", []):
            if name in self._properties:
                continue
            if self._additional is False or "patternProperties" in self._schema:
                raise Inexpressible("required", f"{name!r} is required but not declared")
            self._properties[name] = self._additional
        if not all(map(is_text, self._properties)):
            raise Inexpressible("properties", "a name holds half of a surrogate pair")

    def _further(self) -> str | None:
        """A pair whose key is not declared; None when there is none."""
        patterns = self._schema.get("patternProperties", {})
        if patterns:
            if self._properties or self._additional is not False or len(patterns) > 1:
                raise Inexpressible("patternProperties", "it is followed alone, with one pattern and no other keys")
            ((pattern, schema),) = patterns.items()
            if schema == {"enum": []}:
                return None
            key = strings.key_matching(pattern, self._rules)
        elif self._additional is False or self._additional == {"enum": []}:
            return None
        else:
            schema = self._additional
            key = strings.key_beside(self._properties, self._rules)
        return self._rules.add(f"{key} {COLON} {self._translation.value(schema, self._depth + 1)}")

    def _pairs(self) -> list[tuple[str, bool]]:
        """The declared pairs that can be written, and whether each is required."""
        pairs = []
        for name, schema in self._properties.items():
            if schema == {"enum": []}:
                if name in self._required:
                    raise Inexpressible("required", f"{name!r} is required, but no value of it is admitted")
                continue
            key = literal(json.dumps(name, ensure_ascii=False))
            self._rules.spend(len(name) / 50, "properties")
            value = self._translation.value(schema, self._depth + 1)
            pairs.append((self._rules.add(f"{key} {COLON} {value}"), name in self._required))
        return pairs

    def _states(self, pairs: list[tuple[str, bool]], further: str | None) -> str:
        """The rule behind the opening brace.

        A state is the next declared property and how many were written, up to the number from which all are alike.
        """
        alike = self._most if self._most is not None else max(1, self._least)
        if len(pairs) * (alike + 1) > _MOST_STATES or (self._most or 0) > _MOST_STATES:
            raise Inexpressible("maxProperties" if self._most is not None else "minProperties", "too many to count")
        after = [self._tail(further, count) for count in range(alike + 1)]
        for pair, required in reversed(pairs):
            before: list[str | None] = []
            for count in range(alike + 1):
                alternatives: list[str] = []
                more = after[min(count + 1, alike)]
                if more is not None and (self._most is None or count < self._most):
                    alternatives.append(f"{COMMA + ' ' if count else ''}{pair} {more}")
                skipped = after[count]
                if not required and skipped is not None:
                    alternatives.append(skipped)
                before.append(self._rules.add(" | ".join(alternatives)) if alternatives else None)
            after = before
        if after[0] is None:
            raise Inexpressible("maxProperties", "no number of properties is left")
        return after[0]

    def _tail(self, further: str | None, count: int) -> str | None:
        """What may stand behind the last declared property."""
        if further is None:
            return _END if count >= self._least else None
        next_pair = self._rules.add(f"{COMMA} {further}")
        missing = max(self._least - count, 0)
        room = None if self._most is None else self._most - count
        if room is not None and room < missing:
            return None
        if count or room == 0:
            return f"{repeated(next_pair, missing, room)} {_END}"
        filled = f"{further} {repeated(next_pair, max(missing - 1, 0), None if room is None else room - 1)} {_END}"
        return filled if missing else either([filled, _END])
