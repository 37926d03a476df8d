"""Arguments enforced by lm-format-enforcer, for the schemas it enforces exactly.

The library's character-level JSON parser follows the schema; a strict JSON reader beside it refuses what the parser
wrongly lets through (trailing commas, malformed numbers, control characters, fractions in integers). Schemas outside
the list of keywords below are not admitted. Its own transformers and vLLM integrations do not import with today's
versions of either, so the tokenizer's data is built here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from lmformatenforcer import (
    CharacterLevelParser,
    CharacterLevelParserConfig,
    JsonSchemaParser,
    TokenEnforcer,
    TokenEnforcerTokenizerData,
)
from lmformatenforcer.characterlevelparser import UnionParser
from lmformatenforcer.jsonschemaparser import NumberParsingState

from octupus.decoding.arguments import Unsupported
from octupus.decoding.strict_json import JsonReader, Position
from octupus.decoding.vocabulary import Mask, TokenVocabulary, allows
from octupus.schema.admission import prepare, walk

_TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}
_ENFORCED = {
    "type", "properties", "required", "additionalProperties", "enum", "const", "items", "minItems", "maxItems",
    "minLength", "maxLength", "anyOf",
}  # fmt: skip
_LONGEST_ARRAY = 20
_ONLY_PLAIN = "only strings without quotes, backslashes, and characters that the tokenizer splits are enforced exactly"
_PLAIN_TEXT = re.compile(r'[^"\\\x00-\x1f]*')


class FormatEnforcerBackend:
    """See ArgumentsBackend."""

    name = "lm-format-enforcer"

    def __init__(self, vocabulary: TokenVocabulary) -> None:
        self._vocabulary = vocabulary

    def check(self, schema: dict[str, Any]) -> list[Unsupported]:
        """See ArgumentsBackend.check."""
        alphabet = frozenset(self._data.tokenizer_alphabet)
        return [found for pointer, part in walk(prepare(schema)) for found in _unsupported(pointer, part, alphabet)]

    def start(self, schema: dict[str, Any]) -> FormatEnforcerMatcher:
        """See ArgumentsBackend.start."""
        config = CharacterLevelParserConfig(alphabet=self._data.tokenizer_alphabet)
        config.max_json_array_length = _LONGEST_ARRAY
        # The library changes the schema it is given.
        parser = JsonSchemaParser(json.loads(json.dumps(prepare(schema))), config)
        return FormatEnforcerMatcher(
            TokenEnforcer(self._data, _StrictParser(parser, JsonReader())), self._vocabulary, []
        )

    @cached_property
    def _data(self) -> TokenEnforcerTokenizerData:
        """The tokenizer's trie. Takes seconds for a large vocabulary, once a process."""
        guidance, tokenizer = self._vocabulary.guidance, self._vocabulary.tokenizer
        special = set(tokenizer.special_tokens.values())
        tokens: list[tuple[int, str, bool]] = []
        for token_id in range(len(tokenizer)):
            text = "" if token_id in special else guidance.decode_bytes([token_id]).decode("utf-8", "replace")
            # A token that holds part of a character cannot be followed character by character.
            if text and "�" not in text:
                tokens.append((token_id, text, text.startswith(" ")))
        return TokenEnforcerTokenizerData(tokens, tokenizer.decode, tokenizer.end_id, True, self._vocabulary.size)


class FormatEnforcerMatcher:
    """See ArgumentsMatcher."""

    def __init__(self, enforcer: TokenEnforcer, vocabulary: TokenVocabulary, ids: list[int]) -> None:
        self._enforcer = enforcer
        self._vocabulary = vocabulary
        self._ids = ids

    def fill(self, row: Mask) -> None:
        """See ArgumentsMatcher.fill."""
        row[:] = self._allowed()

    def accept(self, token_id: int) -> bool:
        """See ArgumentsMatcher.accept."""
        if not allows(self._allowed(), token_id):
            return False
        self._ids.append(token_id)
        return True

    def rollback(self, count: int) -> None:
        """See ArgumentsMatcher.rollback."""
        if count > len(self._ids):
            raise ValueError(f"cannot take back {count} of {len(self._ids)} tokens")
        del self._ids[len(self._ids) - count :]

    def can_end(self) -> bool:
        """See ArgumentsMatcher.can_end."""
        self._enforcer.get_allowed_tokens(self._ids)
        return bool(self._enforcer.prefix_states[tuple(self._ids)].parser.can_end())

    def forced(self) -> list[int]:
        """See ArgumentsMatcher.forced."""
        allowed = np.flatnonzero(np.unpackbits(self._allowed().view(np.uint8), bitorder="little"))
        return [int(allowed[0])] if len(allowed) == 1 else []

    def fork(self) -> FormatEnforcerMatcher:
        """See ArgumentsMatcher.fork."""
        return FormatEnforcerMatcher(self._enforcer, self._vocabulary, list(self._ids))

    def _allowed(self) -> Mask:
        words = self._enforcer.get_allowed_tokens(self._ids).allowed_tokens.numpy().view(np.uint32)
        row = np.zeros(self._vocabulary.words, dtype=np.uint32)
        row[: len(words)] = words[: len(row)]
        end = self._vocabulary.end  # the library allows it by its own rules; the turn decides when it may end
        row[end >> 5] &= ~np.uint32(1 << (end & 31))
        return row


class _StrictParser(CharacterLevelParser):  # type: ignore[misc]
    """The library's parser and the strict reader side by side: a character must please both."""

    def __init__(self, parser: CharacterLevelParser, reader: JsonReader) -> None:
        super().__init__(parser.config)
        self._parser = parser
        self._reader = reader

    def add_character(self, new_character: str) -> _StrictParser:
        following = self._reader.after(new_character)
        if following is None:
            raise ValueError(f"{new_character!r} was not among the allowed characters")
        return _StrictParser(self._parser.add_character(new_character), following)

    def get_allowed_characters(self) -> str:
        reader = self._reader
        candidates = set(self._parser.get_allowed_characters())
        if reader.position is Position.NUMBER and _integer_only(self._parser):
            candidates -= set(".eE")
        return "".join(sorted(character for character in candidates if reader.after(character) is not None))

    def can_end(self) -> bool:
        return bool(self._parser.can_end()) and self._reader.can_end()

    def cache_key(self) -> Hashable | None:
        return None

    def shortcut_key(self) -> Hashable | None:
        key: Any = self._parser.shortcut_key()
        # With a longest length the shortcut lets strings grow past it; without one it only skips the slow walk.
        if key is None or self._reader.position is not Position.STRING or self._reader.low_surrogate_due:
            return None
        _, _, shortest, longest = key
        return None if shortest or longest < 1 << 40 else ("json_freetext", *key[1:])


def _integer_only(parser: CharacterLevelParser) -> bool:
    """Whether the number being read can only be an integer."""
    if isinstance(parser, UnionParser):
        return all(_integer_only(option) for option in parser.parsers)
    if isinstance(parser, JsonSchemaParser):
        return bool(parser.object_stack) and _integer_only(parser.object_stack[-1])
    return isinstance(parser, NumberParsingState) and not parser.allow_floating_point


def _unsupported(pointer: str, schema: dict[str, Any], alphabet: frozenset[str]) -> Iterator[Unsupported]:
    def writable(text: Any) -> bool:
        return isinstance(text, str) and _PLAIN_TEXT.fullmatch(text) is not None and alphabet.issuperset(text)

    def refused(keyword: str, explanation: str) -> Unsupported:
        return Unsupported(keyword, f"{pointer}/{keyword}", explanation)

    for keyword in schema:
        if keyword not in _ENFORCED:
            yield refused(keyword, "lm-format-enforcer does not enforce it; use the llguidance backend")
    kind = schema.get("type")
    if "anyOf" in schema:
        if set(schema) - {"anyOf"}:
            yield refused("anyOf", "lm-format-enforcer ignores the keywords beside it")
    elif "const" in schema or ("enum" in schema and kind in (None, "string")):
        values = [schema["const"]] if "const" in schema else schema["enum"]
        if not all(map(writable, values)):
            yield refused("const" if "const" in schema else "enum", _ONLY_PLAIN)
    elif "enum" in schema:
        yield refused("enum", f"lm-format-enforcer does not hold values of type {kind!r} to an enum")
    elif kind not in _TYPES:
        yield refused("type", "exactly one type must be named")
    if kind == "object" and "properties" in schema:
        names = set(schema["properties"])
        if not set(schema.get("required", ())) <= names:
            yield refused("required", "a required property is not declared")
        if schema.get("additionalProperties") is not False:
            yield refused("additionalProperties", "only false is enforced beside properties")
        if not all(map(writable, names)):
            yield refused("properties", _ONLY_PLAIN)
    elif kind == "object":
        yield refused("type", "an object without properties is not enforced exactly")
    if kind == "array" and max(schema.get("minItems", 0), schema.get("maxItems", 0)) > _LONGEST_ARRAY:
        yield refused("minItems", f"arrays are limited to {_LONGEST_ARRAY} items")
    if kind == "array" and "items" not in schema:
        yield refused("items", "an array without a schema for its items is not enforced exactly")
