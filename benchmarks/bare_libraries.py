"""The libraries of constrained decoding as they come, behind one interface, to stand beside octupus's backends."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import llguidance
import llguidance.numpy
import numpy as np

from octupus.decoding.vocabulary import Mask, TokenVocabulary, allows

_LONGEST_REASON = 60
"""Characters that are kept of a library's message, so that equal reasons can be counted."""


class RefusedError(Exception):
    """A schema is not admitted."""

    def __init__(self, reasons: list[str]) -> None:
        """`reasons` are keywords, or how the library's message begins."""
        super().__init__(", ".join(reasons))
        self.reasons = frozenset(reasons)


class Walker(Protocol):
    """Follows one JSON value, token by token."""

    def fill(self, row: Mask) -> None:
        """Overwrite `row` with the tokens that may come next."""
        ...

    def accept(self, token_id: int) -> bool:
        """Take one token of the mask; False when it is not taken after all."""
        ...

    def can_end(self) -> bool:
        """Whether the value is complete."""
        ...


@dataclass(frozen=True)
class Compiled:
    """A schema ready for many values."""

    start: Callable[[], Walker]
    """Makes a walker at the first character."""
    normal: dict[str, Any] | None = None
    """The normal form, for octupus's backends."""


Subject = Callable[[Any], Compiled]
"""Compiles a schema. Raises RefusedError."""


def llguidance_alone(vocabulary: TokenVocabulary) -> Subject:
    """LLMatcher on the author's schema."""

    def compiled(schema: Any) -> Compiled:
        grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema))
        matcher = llguidance.LLMatcher(vocabulary.guidance, grammar, log_level=0)
        if matcher.is_error():
            raise RefusedError([str(matcher.get_error()).splitlines()[0][:_LONGEST_REASON]])
        return Compiled(lambda: _Guidance(matcher.deep_copy()))

    return compiled


def xgrammar_alone(vocabulary: TokenVocabulary) -> Subject:
    """compile_json_schema on the author's schema, strict as it is by default."""
    import xgrammar

    texts = [b"" if token_id == vocabulary.end else data for token_id, data in enumerate(vocabulary.token_bytes)]
    tokenizer = xgrammar.TokenizerInfo(
        texts + [b""] * (vocabulary.size - len(texts)),
        vocab_type=xgrammar.VocabType.RAW,
        vocab_size=vocabulary.size,
        stop_token_ids=[vocabulary.end],
    )
    compiler = xgrammar.GrammarCompiler(tokenizer, max_threads=2, cache_enabled=False)

    def compiled(schema: Any) -> Compiled:
        try:
            grammar = compiler.compile_json_schema(json.dumps(schema))
        except RuntimeError as error:
            # The message begins with a place in xgrammar's source.
            raise RefusedError([str(error).splitlines()[0].rsplit(": ", 1)[-1][:_LONGEST_REASON]]) from error
        return Compiled(lambda: _Xgrammar(xgrammar.GrammarMatcher(grammar)))

    return compiled


def format_enforcer_alone(vocabulary: TokenVocabulary) -> Subject:
    """lm-format-enforcer with bit masks, as vLLM drives it. It compiles as it goes."""
    from lmformatenforcer import JsonSchemaParser, TokenEnforcer, TokenEnforcerTokenizerData

    # It logs every failure with the whole schema, and then allows the end of the turn alone.
    logging.getLogger().setLevel(logging.CRITICAL)
    texts = ((token_id, data.decode("utf-8", "replace")) for token_id, data in enumerate(vocabulary.token_bytes))
    # A token that holds part of a character cannot be followed character by character.
    tokens = [(token_id, text, text.startswith(" ")) for token_id, text in texts if text and "\ufffd" not in text]
    tokenizer = TokenEnforcerTokenizerData(tokens, vocabulary.tokenizer.decode, vocabulary.end, True, vocabulary.size)

    def compiled(schema: Any) -> Compiled:
        def start() -> Walker:
            return _FormatEnforcer(TokenEnforcer(tokenizer, JsonSchemaParser(schema)), vocabulary)

        start()
        return Compiled(start)

    return compiled


BARE_LIBRARIES: dict[str, Callable[[TokenVocabulary], Subject]] = {
    "bare llguidance": llguidance_alone,
    "bare xgrammar": xgrammar_alone,
    "stock lm-format-enforcer": format_enforcer_alone,
}


class _Guidance:
    def __init__(self, matcher: llguidance.LLMatcher) -> None:
        self._matcher = matcher

    def fill(self, row: Mask) -> None:
        llguidance.numpy.fill_next_token_bitmask(self._matcher, row.view(np.int32).reshape(1, -1), 0)

    def accept(self, token_id: int) -> bool:
        return self._matcher.try_consume_tokens([token_id]) == 1

    def can_end(self) -> bool:
        return self._matcher.is_accepting()


class _Xgrammar:
    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    def fill(self, row: Mask) -> None:
        if not self._matcher.fill_next_token_bitmask(row.view(np.int32).reshape(1, -1)):
            row.fill(np.uint32(0xFFFFFFFF))

    def accept(self, token_id: int) -> bool:
        return bool(self._matcher.accept_token(token_id))

    def can_end(self) -> bool:
        return bool(self._matcher.is_completed())


class _FormatEnforcer:
    def __init__(self, enforcer: Any, vocabulary: TokenVocabulary) -> None:
        self._enforcer = enforcer
        self._vocabulary = vocabulary
        self._ids: list[int] = []

    def fill(self, row: Mask) -> None:
        row[:] = self._enforcer.get_allowed_tokens(self._ids).allowed_tokens.numpy().view(np.uint32)

    def accept(self, token_id: int) -> bool:
        self._ids.append(token_id)
        return True

    def can_end(self) -> bool:
        row = self._vocabulary.mask(())
        self.fill(row)
        return allows(row, self._vocabulary.end)
