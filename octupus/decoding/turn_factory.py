"""Specs to turns: everything that takes longer than a token is made here, before generation, and shared."""

from __future__ import annotations

import json
from functools import lru_cache
from threading import Lock

from octupus.chat.layout import TurnLayout
from octupus.decoding.arguments import BARE, Frame
from octupus.decoding.backends import Backends
from octupus.decoding.closing import ClosingPlan, TextPlan
from octupus.decoding.compiled_turn import CompiledTurn, CompiledValue
from octupus.decoding.names import name_ids
from octupus.decoding.spec import TurnSpec, ValueSpec
from octupus.decoding.turn import OPTIONAL_ROOM, TurnConstraint
from octupus.decoding.vocabulary import TokenVocabulary, allows
from octupus.schema.patterns import parse_pattern

_CACHED_PLANS = 1024
_CACHED_VALUES = 2048


class TurnFactory:
    """Makes turns for one model. May be used by several threads at once."""

    def __init__(self, vocabulary: TokenVocabulary, layout: TurnLayout) -> None:
        self.vocabulary = vocabulary
        self.layout = layout
        self.backends = Backends(vocabulary)
        self._plan = lru_cache(maxsize=_CACHED_PLANS)(self._make_plan)
        # Agents send the same tools with every request; a value's matcher is only ever copied.
        self._compiled = lru_cache(maxsize=_CACHED_VALUES)(self._make_value)
        # The vocabulary's tables and the libraries' caches are filled on demand.
        self._lock = Lock()
        encode = vocabulary.tokenizer.encode
        self._arguments = Frame(layout.arguments_spaced, layout.call_suffix)
        self._between = tuple(encode(layout.between)) if layout.between else ()
        self._after_thinking = tuple(encode("\n\n")) if layout.think is not None else ()

    def warm(self) -> None:
        """Build the tables of the vocabulary, which takes a large one seconds, before anybody waits for them."""
        tree = ValueSpec({"type": "object", "properties": {"a": {}}, "required": ["a"]})
        turn = self.turn(TurnSpec({"warm": tree}, max_tokens=OPTIONAL_ROOM + 40))
        row = self.vocabulary.mask(())
        while not turn.is_done():
            turn.fill(row)
            calls = [self.layout.call] if allows(row, self.layout.call) else self.vocabulary.listed(row)
            turn.accept(calls[-1])

    def compile(self, spec: TurnSpec) -> CompiledTurn:
        """All that the turn of `spec` needs. Raises ValueError for a schema that was not admitted."""
        with self._lock:
            compiled = CompiledTurn(
                spec,
                self.vocabulary,
                self.layout,
                {name: self._value(value, self._arguments) for name, value in spec.tools.items()},
                {name: name_ids(name, self.layout, self.vocabulary.tokenizer) for name in spec.tools},
                self._content(spec),
                self._after_thinking,
                self._between,
            )
        _ = compiled.trie, compiled.shortest  # made here rather than at the first token
        return compiled

    def turn(self, spec: TurnSpec) -> TurnConstraint:
        """A turn behind `spec.generated`. Raises ValueError when that breaks the turn's rules."""
        turn = TurnConstraint(self.compile(spec))
        if not turn.accept_all(spec.generated):
            raise ValueError("the tokens generated so far are no beginning of a turn of this spec")
        return turn

    def plan(self, value: ValueSpec, frame: Frame = BARE) -> ClosingPlan:
        """How a value of that schema closes."""
        return self._plan(json.dumps(value.schema, ensure_ascii=False), frame)

    def _content(self, spec: TurnSpec) -> CompiledValue | None:
        if spec.content is not None:
            return self._value(spec.content, BARE, may_go_on=True)
        if spec.pattern is None:
            return None
        plan = TextPlan(parse_pattern(spec.pattern, whole=True), self.vocabulary)
        if plan.shortest is None:
            raise ValueError(f"nothing matches the pattern {spec.pattern!r}")
        return CompiledValue(self.backends.guidance.start_pattern(spec.pattern), plan, plan.shortest, True)

    def _value(self, value: ValueSpec, frame: Frame, may_go_on: bool = False) -> CompiledValue:
        return self._compiled(json.dumps(value.schema, ensure_ascii=False), value.backend, frame, may_go_on)

    def _make_value(self, schema: str, backend: str, frame: Frame, may_go_on: bool) -> CompiledValue:
        plan = self._plan(schema, frame)
        if plan.shortest is None:
            raise ValueError("schema was not checked before it was used: nothing satisfies it")
        matcher = self.backends.named(backend).start(json.loads(schema), frame)
        return CompiledValue(matcher, plan, plan.shortest, may_go_on)

    def _make_plan(self, schema: str, frame: Frame) -> ClosingPlan:
        return ClosingPlan(json.loads(schema), self.vocabulary, frame)
