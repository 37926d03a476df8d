"""What no backend refuses: keys written twice, and numbers beyond a double."""

import json
import random
from typing import Any

import numpy as np
import pytest

from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.backends import Backends
from octupus.decoding.guard import LONGEST_NUMBER, GuardedMatcher, guarded
from octupus.decoding.vocabulary import TokenVocabulary, allows
from octupus.schema.validation import parse_json


@pytest.fixture(scope="module")
def backends(tokenizer: ChatTokenizer) -> Backends:
    return Backends(TokenVocabulary(tokenizer))


def feed(backends: Backends, schema: dict[str, Any], text: str) -> bool:
    """Whether every token of a text is both in the mask and accepted."""
    matcher = backends.guidance.start(schema)
    row = np.zeros(backends.vocabulary.words, dtype=np.uint32)
    for token_id in backends.vocabulary.tokenizer.encode(text):
        matcher.fill(row)
        allowed = allows(row, token_id)
        assert matcher.accept(token_id) == allowed, (text, token_id)
        if not allowed:
            return False
    return matcher.can_end()


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ('{"a": 1, "b": 2}', True),
        ('{"a": 1, "a": 2}', False),
        ('{"a": {"a": {"b": 1}}, "b": {"a": 1}}', True),
        ('{"a": {"b": 1, "b": 2}}', False),
        ('{"a": ["a", "a", "\\"a\\": 1"], "aa": 1}', True),
        ('{"": 1, "": 2}', False),
        ('{"城市": 1, "城": 2}', True),
        ('{"城市": 1, "城市": 2}', False),
        ('{"a\\n": 1, "a\\n": 2}', False),
        ('{"a": 1e99}', True),
        ('{"a": 1e100}', False),
        ('{"a": -1.5E-12}', True),
        ('{"a": "1e100"}', True),
        ('{"a": ' + "9" * (LONGEST_NUMBER + 1) + "}", False),
    ],
)
def test_free_objects(backends: Backends, text: str, sound: bool) -> None:
    assert feed(backends, {}, text) == sound


def test_schemas_without_room_for_it_are_not_followed(backends: Backends) -> None:
    closed = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    assert not isinstance(guarded(backends.guidance.start(closed), closed, backends.vocabulary), GuardedMatcher)


def test_every_random_value_is_read_back(backends: Backends) -> None:
    """Masks are never empty, and what they let end has no key twice and no infinite number."""
    randomness = random.Random(5)
    vocabulary = backends.vocabulary
    row = np.zeros(vocabulary.words, dtype=np.uint32)
    few_keys = [
        i
        for text in ('"a"', '"b"', ":", "{", ",", "1", "e", "9", "}", '", "', "a", " ")
        for i in vocabulary.tokenizer.encode(text)
    ]
    longest = 0
    for _ in range(60):
        matcher = backends.guidance.start({"type": "object"})
        ids: list[int] = []
        while not matcher.can_end() and len(ids) < 400:
            matcher.fill(row)
            allowed = vocabulary.listed(row)
            assert allowed
            wanted = [token_id for token_id in few_keys if allows(row, token_id)]
            token_id = (
                randomness.choice(wanted) if wanted and randomness.random() < 0.97 else randomness.choice(allowed)
            )
            if randomness.random() < 0.05:
                assert matcher.accept(token_id)
                matcher.rollback(1)
                matcher = matcher.fork()
            assert matcher.accept(token_id)
            ids.append(token_id)
        if matcher.can_end():
            value = parse_json(vocabulary.tokenizer.decode(ids), unique_keys=True)
            longest = max(longest, len(json.dumps(value)))
    assert longest > 40, "no walk wrote enough to meet a key twice"
