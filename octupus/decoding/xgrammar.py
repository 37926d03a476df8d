"""Arguments enforced by xgrammar, an optional library, through grammars of our own.

xgrammar reads a JSON Schema loosely (it ignores keywords in silence, and admits halves of surrogate pairs), but follows
a grammar exactly; so it is given the grammar of `ebnf`.
"""

from __future__ import annotations

import importlib
import json
import os
from functools import lru_cache
from typing import Any

import numpy as np

from octupus.decoding.arguments import BARE, ArgumentsMatcher, Frame, MatcherError
from octupus.decoding.ebnf import translate
from octupus.decoding.ebnf.rules import literal
from octupus.decoding.guard import guarded
from octupus.decoding.vocabulary import Mask, TokenVocabulary
from octupus.errors import ConfigError
from octupus.schema.normal import NormalSchema
from octupus.schema.unsupported import Unsupported

_CACHED_GRAMMARS = 256
_MOST_FORCED = 256
_MOST_THREADS = 4


class XgrammarBackend:
    """See ArgumentsBackend."""

    name = "xgrammar"

    def __init__(self, vocabulary: TokenVocabulary) -> None:
        """Raises ConfigError when xgrammar is not installed."""
        try:
            # It loads torch, which nothing else here needs.
            self._library = importlib.import_module("xgrammar")
        except ImportError as error:
            raise ConfigError(
                f"the decoding backend xgrammar needs the package xgrammar: pip install xgrammar ({error})"
            ) from error
        self._vocabulary = vocabulary
        texts = [b"" if token_id == vocabulary.end else data for token_id, data in enumerate(vocabulary.token_bytes)]
        tokenizer = self._library.TokenizerInfo(
            # Tokens without text are never allowed.
            texts + [b""] * (vocabulary.size - len(texts)),
            vocab_type=self._library.VocabType.RAW,
            vocab_size=vocabulary.size,
            stop_token_ids=[vocabulary.end],
        )
        threads = min(_MOST_THREADS, os.cpu_count() or 1)
        self._compiler = self._library.GrammarCompiler(tokenizer, max_threads=threads, cache_enabled=False)
        self._compiled = lru_cache(maxsize=_CACHED_GRAMMARS)(self._compile)

    def check(self, normal: NormalSchema) -> list[Unsupported]:
        """See ArgumentsBackend.check."""
        found = []
        for schema, problem in translate(normal.schema).problems:
            pointer = normal.pointers.get(id(schema), "")
            place = f"{pointer}/{problem.keyword}" if problem.keyword else pointer
            found.append(Unsupported(problem.keyword, place, problem.explanation))
        return found

    def start(self, schema: dict[str, Any], frame: Frame = BARE) -> ArgumentsMatcher:
        """See ArgumentsBackend.start. Raises ValueError when `check` would have found something."""
        compiled = self._compiled(json.dumps(schema), frame)
        matcher = XgrammarMatcher(self._library.GrammarMatcher(compiled), self._vocabulary)
        return guarded(matcher, schema, self._vocabulary)

    def _compile(self, schema: str, frame: Frame) -> Any:
        translation = translate(json.loads(schema))
        if translation.problems:
            raise ValueError(f"schema was not checked before it was used: {translation.problems[0][1]}")
        grammar = translation.grammar('" "?' if frame.spaced else '""', literal(frame.after))
        return self._compiler.compile_grammar(grammar)


class XgrammarMatcher:
    """See ArgumentsMatcher."""

    def __init__(self, matcher: Any, vocabulary: TokenVocabulary) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary
        self._end = vocabulary.end
        # xgrammar also sets bits behind the last token.
        self._last_word = np.uint32((1 << ((vocabulary.size - 1) % 32 + 1)) - 1)

    def fill(self, row: Mask) -> None:
        """See ArgumentsMatcher.fill."""
        words = self._vocabulary.words
        row[words:] = 0
        if not self._matcher.fill_next_token_bitmask(row[:words].view(np.int32).reshape(1, -1)):
            # xgrammar then leaves the row alone: every token is allowed.
            raise MatcherError("xgrammar allows every token, which no value does")
        row[words - 1] &= self._last_word
        row[self._end >> 5] &= ~np.uint32(1 << (self._end & 31))

    def accept(self, token_id: int) -> bool:
        """See ArgumentsMatcher.accept."""
        # xgrammar prints a warning for tokens that stand for nothing.
        texts = self._vocabulary.token_bytes
        is_text = 0 <= token_id < len(texts) and token_id != self._end and bool(texts[token_id])
        return is_text and bool(self._matcher.accept_token(token_id))

    def rollback(self, count: int) -> None:
        """See ArgumentsMatcher.rollback."""
        if count:
            self._matcher.rollback(count)

    def can_end(self) -> bool:
        """See ArgumentsMatcher.can_end."""
        return bool(self._matcher.is_completed())

    def forced(self) -> list[int]:
        """See ArgumentsMatcher.forced."""
        # find_jump_forward_string fails where a character is half written, so masks are asked.
        ahead, row, ids = self.fork(), self._vocabulary.mask(()), list[int]()
        while len(ids) < _MOST_FORCED and not ahead.can_end():
            ahead.fill(row)
            words = np.flatnonzero(row)
            if len(words) != 1 or int(row[words[0]]).bit_count() != 1:
                break
            ids.append(32 * int(words[0]) + int(row[words[0]]).bit_length() - 1)
            ahead.accept(ids[-1])
        return ids

    def fork(self) -> XgrammarMatcher:
        """See ArgumentsMatcher.fork."""
        return XgrammarMatcher(self._matcher.fork(), self._vocabulary)
