"""Masks, moves and ends of the matcher, held against reading character by character and against a validator."""

import json
import random
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pytest

from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.arguments import BARE, Frame
from octupus.decoding.lm_format_enforcer import FormatEnforcerBackend, FormatEnforcerMatcher
from octupus.decoding.vocabulary import Mask, TokenVocabulary
from octupus.schema.validation import parse_json, validator

from .schemas import SCHEMAS, closed, normal

EACH_SCHEMA = pytest.mark.parametrize("name", list(SCHEMAS))


class LongTokens(TokenVocabulary):
    """With a token that ends a key and holds another one whole."""

    @cached_property
    def token_bytes(self) -> list[bytes]:
        found = list(super().token_bytes)
        found[found.index(b" get")] = b'":1,"a":1,"'
        return found


@pytest.fixture(scope="module")
def vocabulary(tokenizer: ChatTokenizer) -> TokenVocabulary:
    return TokenVocabulary(tokenizer, size=len(tokenizer) + 40)


@pytest.fixture(scope="module")
def backend(vocabulary: TokenVocabulary) -> FormatEnforcerBackend:
    return FormatEnforcerBackend(vocabulary)


def mask(matcher: FormatEnforcerMatcher, vocabulary: TokenVocabulary) -> Mask:
    row = np.full(vocabulary.words, 0xFFFFFFFF, dtype=np.uint32)
    matcher.fill(row)
    return row


def allowed(row: Mask) -> list[int]:
    return [int(token) for token in np.flatnonzero(np.unpackbits(row.view(np.uint8), bitorder="little"))]


def closing_weight(text: bytes) -> float:
    return 8.0 if set(text) & set(b'"]},0') else 1.0


def hostile_weight(text: bytes) -> float:
    return 8.0 if set(text) & set(b' \\"[{,u-') or max(text) > 0x7F else 1.0


def walk(
    matcher: FormatEnforcerMatcher, vocabulary: TokenVocabulary, seed: int, longest: int = 40
) -> Iterator[tuple[list[int], Mask]]:
    """Random tokens and the masks before them; from half of the walk on, those that close are preferred."""
    chance = random.Random(seed)
    weigh = chance.choice([closing_weight, hostile_weight, lambda text: 1.0])
    taken: list[int] = []
    for step in range(longest):
        row = mask(matcher, vocabulary)
        if matcher.can_end() and (not row.any() or chance.random() < 0.3):
            return
        choices = allowed(row)
        assert choices, "a mask is never empty before the end"
        weigh = closing_weight if step > longest // 2 else weigh
        token = chance.choices(choices, [weigh(vocabulary.token_bytes[token]) for token in choices])[0]
        assert matcher.accept(token)
        taken.append(token)
        yield taken, row


@EACH_SCHEMA
def test_walks_end_in_valid_text(backend: FormatEnforcerBackend, vocabulary: TokenVocabulary, name: str) -> None:
    schema = SCHEMAS[name]
    assert backend.check(normal(schema)) == []
    ended = 0
    for seed in range(5):
        frame = (BARE, Frame(spaced=True, after="}\n"))[seed % 2]
        matcher = backend.start(schema, frame)
        taken = [tokens for tokens, _ in walk(matcher, vocabulary, seed)]
        if not matcher.can_end():
            continue
        ended += 1
        text = b"".join(vocabulary.token_bytes[token] for token in taken[-1]).decode()
        assert text.endswith(frame.after)
        value = parse_json(text[: len(text) - len(frame.after)], unique_keys=True)
        assert validator(schema).is_valid(value), text
    assert ended or ("required" in schema and "properties" not in schema)


@EACH_SCHEMA
def test_masks_allow_what_is_accepted_byte_by_byte(
    backend: FormatEnforcerBackend, vocabulary: TokenVocabulary, name: str
) -> None:
    for seed in range(2):
        matcher = backend.start(SCHEMAS[name], Frame(after="}\n"))
        for _ in walk(matcher, vocabulary, seed, 10):
            row = mask(matcher, vocabulary)
            for token, text in enumerate(vocabulary.token_bytes):
                slow = matcher.fork()
                possible = bool(text) and all(slow.accept(vocabulary.byte_ids[byte]) for byte in text)
                assert bool(row[token >> 5] >> np.uint32(token & 31) & 1) == possible, text
            assert not allowed(row) or max(allowed(row)) < len(vocabulary.token_bytes)


def test_tokens_that_hold_two_keys_never_repeat_one(tokenizer: ChatTokenizer) -> None:
    vocabulary = LongTokens(tokenizer)
    long = vocabulary.token_bytes.index(b'":1,"a":1,"')
    backend = FormatEnforcerBackend(vocabulary)
    for key, fits in (("a", False), ("b", True)):
        matcher = backend.start(SCHEMAS["map"])
        assert all(matcher.accept(vocabulary.byte_ids[byte]) for byte in b'{"' + key.encode())
        assert (long in allowed(mask(matcher, vocabulary))) == matcher.accept(long) == fits


@EACH_SCHEMA
def test_rollback_and_fork_restore_every_mask(
    backend: FormatEnforcerBackend, vocabulary: TokenVocabulary, name: str
) -> None:
    matcher = backend.start(SCHEMAS[name])
    rows = [row for _, row in walk(matcher, vocabulary, 7)]
    twin = matcher.fork()
    for row in reversed(rows):
        matcher.rollback(1)
        assert np.array_equal(mask(matcher, vocabulary), row)
    with pytest.raises(ValueError, match="cannot take back"):
        matcher.rollback(1)
    twin.rollback(len(rows))
    assert np.array_equal(mask(twin, vocabulary), mask(matcher, vocabulary))


@EACH_SCHEMA
def test_forced_tokens_are_the_only_ones(
    backend: FormatEnforcerBackend, vocabulary: TokenVocabulary, name: str
) -> None:
    matcher = backend.start(SCHEMAS[name], Frame(after="}\n"))
    for _ in walk(matcher, vocabulary, 3):
        twin = matcher.fork()
        for token in matcher.forced():
            assert allowed(mask(twin, vocabulary)) == [token]
            assert twin.accept(token)


def written(backend: FormatEnforcerBackend, vocabulary: TokenVocabulary, schema: Any, text: str) -> bool:
    matcher = backend.start(schema)
    tokens = vocabulary.tokenizer.encode(text)
    return all(matcher.accept(token) for token in tokens) and matcher.can_end()


@pytest.mark.parametrize(
    ("name", "instances"),
    [
        ("anything", [None, [], {}, {"a": [{"b": -1.5e-7}]}, 'x"\\\n京', True]),
        ("call", [{"city": "a"}, {"unit": "celsius", "city": ""}, {}, {"city": 1}, {"city": "", "x": 1}]),
        ("lengths", [["ab", "京🌧é"], ["a"], ["abcd"], ["  ", '\\"'], ["      "], ["ab"] * 3, []]),
        ("length", ["12345", "1234", "京🌧é\\n", "京🌧é\\n\t", "123456789", "1234567890"]),
        ("map of lengths", [{}, {"a": ""}, {"a": "\n", "b": "1234"}, {"a": "12345"}]),
        (
            "map with odd keys",
            [{}, {"京都": None, '"\\ n': None, '"\\': None, "京": None}, {"京都": None, '"\\ ': None}],
        ),
        ("pairs", [[[1, 2], [3, 4]], [[1, 2]], [[1], [2, 3]], [[1, 2]] * 3, [[1, 2]] * 4]),
        ("range", [{}, {"a": 103, "b": 7}, {"a": 104}, {"a": -12}, {"a": -13}, {"b": 6}, {"b": 10**30}, {"a": 0}]),
        ("mixed", ["", 'a"b', "\\", "a\n", " 京", "京", "🌧", 1, 12, 2, -0.5, True, False, None, "1", "true", "b"]),
        ("keys", [{"京都": True}, {"京都": True, '"': None, "\\\t": None, "京": [1]}, {}, {"京都": True, "x": 1}]),
        ("map", [{}, {"a": 1, "b": 2}, {"a": "x"}, {"": 1, "\\": 2, '"': 3}]),
        ("map with a required key", [{}, {"ab": None}, {"a": None, "abc": None}, {"a": None, "ab": None}]),
        ("empty", [{}, {"a": 1}, []]),
        ("no items", [[], [1], [[]]]),
        ("overlap", ["a", "ab", "abc", [1, 2], [1, 2, 3], [1, 2.5], [1.5, 2, 3], {"a": "x"}, {"a": 1}, {"b": None}]),
        ("tree", [{"in": [{"name": "x"}, {"in": [{}]}]}, {"in": {}}, {"in": [1]}]),
    ],
)
def test_instances_are_accepted_exactly(
    backend: FormatEnforcerBackend, vocabulary: TokenVocabulary, name: str, instances: list[Any]
) -> None:
    schema = SCHEMAS[name]
    for instance in instances:
        valid = validator(schema).is_valid(instance)
        for separators in ((", ", ": "), (",", ":")):
            text = json.dumps(instance, ensure_ascii=False, separators=separators)
            assert written(backend, vocabulary, schema, text) == valid, text


@pytest.mark.parametrize(
    "text",
    ['{"a":1,}', "[1,]", "1.e5", "01", "-", '"\t"', '"\\x"', '"\\ud83c\\udf27"', '{"a":1,"a":2}', '{"a":1,"\\u0061":2}',
     '{"a":  1}', "[ 1]", "[1 ]", "1e400", "1" * 60, '{"a" :1}', "tru", "[,1]", "\ufeff1"],
)  # fmt: skip
def test_what_is_no_strict_json_is_refused(
    backend: FormatEnforcerBackend, vocabulary: TokenVocabulary, text: str
) -> None:
    assert not written(backend, vocabulary, {}, text)


def test_nesting_ends(backend: FormatEnforcerBackend, vocabulary: TokenVocabulary) -> None:
    nested = backend.start(SCHEMAS["tree"])
    anything = backend.start({})
    for matcher, text in ((nested, '{"in":['), (anything, '[{"a":')):
        for _ in range(300):
            if not all(matcher.accept(vocabulary.byte_ids[byte]) for byte in text.encode()):
                break
        else:
            pytest.fail("the value is nested without end")


def test_long_arrays_are_accepted(backend: FormatEnforcerBackend, vocabulary: TokenVocabulary) -> None:
    many = {"type": "array", "items": {"type": "integer"}}
    assert written(backend, vocabulary, many, json.dumps(list(range(50))))
    assert written(backend, vocabulary, {**many, "minItems": 30, "maxItems": 50}, json.dumps(list(range(50))))
    assert not written(backend, vocabulary, {**many, "maxItems": 49}, json.dumps(list(range(50))))


def test_one_token_may_end_the_value_and_its_frame(backend: FormatEnforcerBackend, vocabulary: TokenVocabulary) -> None:
    spanning = [token for token, text in enumerate(vocabulary.token_bytes) if text == b'"}']
    matcher = backend.start(closed({"a": {"type": "string"}}), Frame(spaced=True, after="}"))
    assert all(matcher.accept(vocabulary.byte_ids[byte]) for byte in b' {"a":"x')
    for token in spanning:
        assert matcher.fork().accept(token)
    assert all(matcher.accept(vocabulary.byte_ids[byte]) for byte in b'"}')
    assert not matcher.can_end()
    assert matcher.accept(vocabulary.byte_ids[ord("}")])
    assert matcher.can_end()
    assert matcher.forced() == []
    assert not mask(matcher, vocabulary).any()
