"""Schemas and patterns enforced by llguidance, the default backend.

Separators are fixed to a comma or colon with an optional space: unbounded white space would let a model fill its
budget with blanks, and no space at all is not how models write JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

import llguidance
import numpy as np

from octupus.decoding.arguments import BARE, ArgumentsMatcher, Frame, MatcherError
from octupus.decoding.guard import guarded
from octupus.decoding.vocabulary import Mask, TokenVocabulary
from octupus.schema.admission import walk
from octupus.schema.normal import NormalSchema
from octupus.schema.patterns import PatternError, parse_pattern
from octupus.schema.unsupported import Unsupported

_FORMATTING = {"whitespace_flexible": False, "item_separator": ", ?", "key_separator": ": ?"}
_CACHED_GRAMMARS = 1024
# A few times the library's own limits, which some real schemas exceed in the middle of a value.
_LIMITS = llguidance.LLParserLimits(step_lexer_fuel=2_000_000, step_max_items=500_000)
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_LARGEST_BOUND = 1e30
_MOST_REMAINDERS = 20_000
"""The library's time grows with their square: 0.06 s for 10,000, and no limit of its own."""
_MOST_ITEMS = 20_000
"""The library writes each of them out: 0.3 s for as many."""
_MOST_TRIALS = 256
"""Subschemas that are compiled alone to find the one that fails."""


class GuidanceBackend:
    """See ArgumentsBackend."""

    name = "llguidance"

    def __init__(self, vocabulary: TokenVocabulary) -> None:
        self._vocabulary = vocabulary
        # Compiled matchers are copied for each call: copying costs microseconds, compiling up to milliseconds.
        self._compiled = lru_cache(maxsize=_CACHED_GRAMMARS)(self._compile)

    def check(self, normal: NormalSchema) -> list[Unsupported]:
        """See ArgumentsBackend.check."""
        found = [
            Unsupported("patternProperties", f"{normal.pointers.get(id(part), pointer)}/patternProperties", problem)
            for pointer, part in walk(normal.schema)
            if (problem := _repeating_keys(part)) is not None
        ]
        if found:
            return found
        found = [*_long_arrays(normal), *self._unwritable_numbers(normal)]
        if found:
            return found
        error = self._error(normal.schema)
        return [] if error is None else [self._located(normal, error)]

    def start(self, schema: dict[str, Any], frame: Frame = BARE) -> ArgumentsMatcher:
        """See ArgumentsBackend.start."""
        compiled = self._compiled(_grammar(schema, frame))
        return guarded(GuidanceMatcher(compiled.deep_copy(), self._vocabulary), schema, self._vocabulary)

    def start_pattern(self, pattern: str) -> GuidanceMatcher:
        """A matcher for text that a regular expression matches as a whole."""
        compiled = self._compiled(_pattern_grammar(pattern))
        return GuidanceMatcher(compiled.deep_copy(), self._vocabulary)

    def pattern_error(self, pattern: str) -> str | None:
        """Why a pattern cannot be enforced, or None."""
        matcher = self._matcher(_pattern_grammar(pattern))
        return _first_line(matcher.get_error()) if matcher.is_error() else None

    def _unwritable_numbers(self, normal: NormalSchema) -> Iterator[Unsupported]:
        """Numbers that the library admits and then finds no first digit for."""
        row = self._vocabulary.mask(())
        remainders = 0
        for pointer, part in walk(normal.schema):
            if "multipleOf" not in part:
                continue
            place = f"{normal.pointers.get(id(part), pointer)}/multipleOf"
            remainders += _remainders(part["multipleOf"])
            if remainders > _MOST_REMAINDERS:
                yield Unsupported("multipleOf", place, f"more than {_MOST_REMAINDERS} remainders are to be told apart")
                return
            bounds = [part[name] for name in _BOUNDS if name in part]
            if part["multipleOf"] < 1 / _LARGEST_BOUND or any(abs(bound) > _LARGEST_BOUND for bound in bounds):
                yield Unsupported("multipleOf", place, "multiples of so small or up to so large a number are too many")
                continue
            matcher = self._matcher(_grammar(part, BARE))
            if matcher.is_error():
                continue
            GuidanceMatcher(matcher, self._vocabulary).fill(row)
            if not row.any():
                yield Unsupported("multipleOf", place, "llguidance finds no multiple within the bounds")

    def _compile(self, grammar: str) -> llguidance.LLMatcher:
        matcher = self._matcher(grammar)
        if matcher.is_error():
            raise ValueError(f"schema was not checked before it was used: {matcher.get_error()}")
        return matcher

    def _matcher(self, grammar: str) -> llguidance.LLMatcher:
        return llguidance.LLMatcher(self._vocabulary.guidance, grammar, log_level=0, limits=_LIMITS)

    def _error(self, schema: dict[str, Any]) -> str | None:
        matcher = self._matcher(_grammar(schema, BARE))
        if matcher.is_error():
            return _first_line(matcher.get_error())
        warnings: list[str] = matcher.get_grammar_warnings()
        return warnings[0] if warnings else None

    def _located(self, normal: NormalSchema, error: str) -> Unsupported:
        """Where the error comes from: the innermost subschema that does not compile by itself."""
        definitions = {"$defs": normal.schema["$defs"]} if "$defs" in normal.schema else {}
        pointer, culprit = "", normal.schema
        for trial, (candidate_pointer, candidate) in enumerate(walk(normal.schema)):
            if trial > _MOST_TRIALS:
                break
            if not candidate_pointer.startswith(pointer):
                continue
            alone = self._error({**candidate, **definitions}) if candidate_pointer else error
            if alone is not None:
                pointer, culprit, error = candidate_pointer, candidate, alone
        keyword = next((word for word in culprit if word in error and word != "type"), "")
        origin = normal.pointers.get(id(culprit), pointer)
        return Unsupported(
            keyword or next(iter(culprit), ""), f"{origin}/{keyword}" if keyword else origin, f"llguidance: {error}"
        )


class GuidanceMatcher:
    """See ArgumentsMatcher."""

    __slots__ = ("_end_bit", "_end_word", "_matcher", "_vocabulary")

    def __init__(self, matcher: llguidance.LLMatcher, vocabulary: TokenVocabulary) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary
        self._end_word = vocabulary.end >> 5
        self._end_bit = ~np.uint32(1 << (vocabulary.end & 31))

    def fill(self, row: Mask) -> None:
        """See ArgumentsMatcher.fill. Raises MatcherError when the library gave up."""
        self._matcher.unsafe_compute_mask_ptr(row.ctypes.data, 4 * self._vocabulary.words)
        if len(row) > self._vocabulary.words:
            row[self._vocabulary.words :] = 0
        row[self._end_word] &= self._end_bit
        if self._matcher.is_error():
            raise MatcherError(self._matcher.get_error())

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
        # Behind a finished value the library lists the end of the turn, which is not its own to force.
        return [] if self._vocabulary.end in ids else ids

    def fork(self) -> GuidanceMatcher:
        """See ArgumentsMatcher.fork."""
        return GuidanceMatcher(self._matcher.deep_copy(), self._vocabulary)


def _grammar(schema: dict[str, Any], frame: Frame) -> str:
    if frame == BARE:
        text = json.dumps(schema, ensure_ascii=False)
        grammar: str = llguidance.LLMatcher.grammar_from_json_schema(text, defaults=_FORMATTING)
        return grammar
    space = '" "? ' if frame.spaced else ""
    behind = f" {json.dumps(frame.after)}" if frame.after else ""
    value = json.dumps({**schema, "x-guidance": _FORMATTING}, ensure_ascii=False)
    return str(llguidance.LLMatcher.grammar_from_lark(f"start: {space}value{behind}\nvalue: %json {value}\n"))


def _pattern_grammar(pattern: str) -> str:
    # As in JSON Schema, \d and \w are ASCII.
    return str(llguidance.LLMatcher.grammar_from_lark(f"start: /{llguidance.regex_to_lark(pattern, 'dw')}/\n"))


def _long_arrays(normal: NormalSchema) -> Iterator[Unsupported]:
    items = 0
    for pointer, part in walk(normal.schema):
        items += part.get("maxItems", 0)
        if items > _MOST_ITEMS:
            place = f"{normal.pointers.get(id(part), pointer)}/maxItems"
            yield Unsupported("maxItems", place, f"more than {_MOST_ITEMS} items are to be counted; leave it out")
            return


def _remainders(multiple: float) -> int:
    """How many remainders the digits of a number can leave; zeros at its end cost nothing."""
    return int("".join(map(str, Decimal(str(multiple)).normalize().as_tuple().digits)))


def _repeating_keys(schema: dict[str, Any]) -> str | None:
    """Why a model may be left with no key that it has not written yet; None when there is always another."""
    for pattern in schema.get("patternProperties", {}):
        try:
            endless = parse_pattern(pattern).endless
        except PatternError as error:
            return str(error)
        if not endless and schema.get("maxProperties", 2) > 1:
            return f"{pattern!r} matches few keys only, and no key may be written twice; list them in properties"
    return None


def _first_line(message: str) -> str:
    return (message.splitlines() or [""])[0]
