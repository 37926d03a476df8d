"""Arguments enforced by llguidance, the default backend.

Separators are fixed to a comma or colon with an optional space: unbounded white space would let a model fill its
budget with blanks, and no space at all is not how models write JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import llguidance
import llguidance.numpy
import numpy as np

from octupus.decoding.arguments import Unsupported
from octupus.decoding.vocabulary import Mask, TokenVocabulary
from octupus.schema.admission import prepare, walk

_FORMATTING = {"whitespace_flexible": False, "item_separator": ", ?", "key_separator": ": ?"}
_CACHED_SCHEMAS = 1024

_REFUSED = {
    "uniqueItems": "whether items repeat is not known until the last one is written",
    "contains": "llguidance has no rule for it",
    "not": "llguidance has no rule for it",
    "if": "llguidance has no rule for it",
    "propertyNames": "llguidance has no rule for it",
    "dependentRequired": "llguidance has no rule for it",
    "dependentSchemas": "llguidance has no rule for it",
    "dependencies": "llguidance has no rule for it",
    "unevaluatedProperties": "llguidance has no rule for it",
    "unevaluatedItems": "llguidance has no rule for it",
}


class GuidanceBackend:
    """See ArgumentsBackend."""

    name = "llguidance"

    def __init__(self, vocabulary: TokenVocabulary) -> None:
        self._vocabulary = vocabulary
        # Compiled matchers are copied for each call: copying costs microseconds, compiling up to milliseconds.
        self._compiled = lru_cache(maxsize=_CACHED_SCHEMAS)(self._compile)

    def check(self, schema: dict[str, Any]) -> list[Unsupported]:
        """See ArgumentsBackend.check."""
        prepared = prepare(schema)
        found = list(_refused_keywords(prepared))
        if found:
            return found
        error = self._error(prepared)
        if error is None:
            return []
        return [self._located(prepared, error)]

    def start(self, schema: dict[str, Any]) -> GuidanceMatcher:
        """See ArgumentsBackend.start."""
        compiled = self._compiled(json.dumps(prepare(schema), ensure_ascii=False))
        return GuidanceMatcher(compiled.deep_copy(), self._vocabulary.end)

    def _compile(self, schema: str) -> llguidance.LLMatcher:
        grammar = llguidance.LLMatcher.grammar_from_json_schema(schema, defaults=_FORMATTING)
        matcher = llguidance.LLMatcher(self._vocabulary.guidance, grammar, log_level=0)
        if matcher.is_error():
            raise ValueError(f"schema was not checked before it was used: {matcher.get_error()}")
        return matcher

    def _error(self, schema: Any) -> str | None:
        grammar = llguidance.LLMatcher.grammar_from_json_schema(
            json.dumps(schema, ensure_ascii=False), defaults=_FORMATTING
        )
        matcher = llguidance.LLMatcher(self._vocabulary.guidance, grammar, log_level=0)
        return str(matcher.get_error()) if matcher.is_error() else None

    def _located(self, schema: dict[str, Any], error: str) -> Unsupported:
        """Where the error comes from: the deepest subschema that does not compile by itself."""
        definitions = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
        pointer, culprit = "", schema
        for candidate_pointer, candidate in walk(schema):
            alone = self._error({**candidate, **definitions}) if candidate_pointer else error
            if alone is not None and candidate_pointer.startswith(pointer):
                pointer, culprit, error = candidate_pointer, candidate, alone
        message = error.splitlines()[0]
        keyword = next((word for word in culprit if word in message and word != "type"), "")
        return Unsupported(keyword or next(iter(culprit), ""), f"{pointer}/{keyword}" if keyword else pointer, message)


class GuidanceMatcher:
    """See ArgumentsMatcher."""

    def __init__(self, matcher: llguidance.LLMatcher, end: int) -> None:
        self._matcher = matcher
        self._end = end

    def fill(self, row: Mask) -> None:
        """See ArgumentsMatcher.fill."""
        llguidance.numpy.fill_next_token_bitmask(self._matcher, row.view(np.int32).reshape(1, -1), 0)
        row[self._end >> 5] &= ~np.uint32(1 << (self._end & 31))

    def accept(self, token_id: int) -> bool:
        """See ArgumentsMatcher.accept."""
        # consume_token would leave the matcher in an error state for ever after a refused token.
        return int(self._matcher.try_consume_tokens([token_id])) == 1

    def rollback(self, count: int) -> None:
        """See ArgumentsMatcher.rollback."""
        if count and not self._matcher.rollback(count):
            raise ValueError(f"cannot take back {count} tokens: {self._matcher.get_error()}")

    def can_end(self) -> bool:
        """See ArgumentsMatcher.can_end."""
        return bool(self._matcher.is_accepting())

    def forced(self) -> list[int]:
        """See ArgumentsMatcher.forced."""
        ids: list[int] = self._matcher.compute_ff_tokens()
        return ids

    def fork(self) -> GuidanceMatcher:
        """See ArgumentsMatcher.fork."""
        return GuidanceMatcher(self._matcher.deep_copy(), self._end)


def _refused_keywords(schema: dict[str, Any]) -> Iterator[Unsupported]:
    for pointer, subschema in walk(schema):
        for keyword, explanation in _REFUSED.items():
            if keyword in subschema and subschema[keyword] is not False:
                yield Unsupported(keyword, f"{pointer}/{keyword}", explanation)
        reference = subschema.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            yield Unsupported("$ref", f"{pointer}/$ref", f"{reference} is not inside the schema; write it in place")
