"""The backend: one automaton for each schema and frame, the least recently used forgotten."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from octupus.decoding.arguments import BARE, Frame
from octupus.decoding.lm_format_enforcer.automaton import Automaton
from octupus.decoding.lm_format_enforcer.masks import Masks
from octupus.decoding.lm_format_enforcer.matcher import FormatEnforcerMatcher
from octupus.decoding.lm_format_enforcer.support import unsupported
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.schema.normal import NormalSchema
from octupus.schema.unsupported import Unsupported

CACHED_SCHEMAS = 64


class FormatEnforcerBackend:
    """See ArgumentsBackend."""

    name = "lm-format-enforcer"

    def __init__(self, vocabulary: TokenVocabulary) -> None:
        self._vocabulary = vocabulary
        self._masks = Masks(vocabulary)
        self._automaton = lru_cache(maxsize=CACHED_SCHEMAS)(_compile)

    def check(self, normal: NormalSchema) -> list[Unsupported]:
        """See ArgumentsBackend.check."""
        return unsupported(normal)

    def start(self, schema: dict[str, Any], frame: Frame = BARE) -> FormatEnforcerMatcher:
        """See ArgumentsBackend.start. Raises ValueError for a schema that `check` does not admit."""
        self._masks.prepare()
        # Properties keep their author's order in the text, but any order is admitted: sorted, equal schemas share.
        automaton = self._automaton(json.dumps(schema, sort_keys=True), frame)
        return FormatEnforcerMatcher(self._masks, self._vocabulary.token_bytes, [automaton.root])


def _compile(schema: str, frame: Frame) -> Automaton:
    return Automaton(json.loads(schema), frame)
