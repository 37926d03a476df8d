"""Random walks: from every state that a token leads to, the path ends the value within what was promised before it."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.arguments import BARE, Frame
from octupus.decoding.closing import ClosingPlan, TextPlan
from octupus.decoding.closing.costs import FAR
from octupus.decoding.llguidance import GuidanceBackend
from octupus.decoding.vocabulary import TokenVocabulary, allows
from octupus.schema.normal import normalise
from octupus.schema.patterns import parse_pattern

ADVERSARIAL = ["{", "[", '"', "\\", "u", "-", "1", ".", "e", ",", ":", "}", "]", " ", "\xc3", "\xf0", "\xed", "a"]

CLOSED = {"additionalProperties": False}
KIND = {
    "anyOf": [
        {"type": "object", "properties": {"kind": {"enum": [kind]}, **rest}, "required": ["kind", *rest], **CLOSED}
        for kind, rest in [("circle", {"r": {"type": "number"}}), ("cut", {"z": {"type": "array", "minItems": 3}})]
    ]
}
NUMBERS = {
    "n": {"type": "number", "minimum": 1.5, "maximum": 1000.25},
    "m": {"type": "integer", "multipleOf": 7, "minimum": 20},
    "p": {"type": "number", "multipleOf": 0.25},
    "z": {"type": "number", "exclusiveMinimum": 0},
    "neg": {"type": "integer", "maximum": -3},
}
STRINGS = {
    "date": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
    "id": {"type": "string", "pattern": "^[A-Z]{2,5}_[0-9]+$", "maxLength": 12},
    "inner": {"type": "string", "pattern": 'x."y'},
    "length": {"type": "string", "minLength": 4, "maxLength": 6},
    "label": {"enum": ["weather in Paris", "weather", "été \u007f\n"]},
}
LIST = {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"next": {"$ref": "#/$defs/list"}}, **CLOSED}]}
SCHEMAS: dict[str, dict[str, Any]] = {
    "anything": {},
    "object": {"type": "object"},
    "numbers": {"type": "object", "properties": NUMBERS, "required": list(NUMBERS), **CLOSED},
    "strings": {"type": "object", "properties": STRINGS, "required": list(STRINGS), **CLOSED},
    "optional": {"type": "object", "properties": {**STRINGS, **NUMBERS}, **CLOSED},
    "kinds": {"type": "object", "properties": {"kind": KIND, "kinds": {"type": "array", "items": KIND}}, **CLOSED},
    "union": {"anyOf": [{"type": "string", "maxLength": 3}, {"enum": ["weather"]}, {"type": "array", "minItems": 2}]},
    "values": {"enum": ["a", "abc", {"k": [1, 2.5, {"m": "é"}]}, [1, [2]], 1.5, -3, None]},
    "tuple": {"type": "array", "prefixItems": [{"type": "null"}, KIND], "minItems": 1, "items": {"type": "boolean"}},
    "keys": {"type": "object", "minProperties": 3, "additionalProperties": {"type": "integer"}},
    "undeclared": {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["zz", "a"]},
    "matched": {"type": "object", "patternProperties": {"^x_": {"type": "integer"}}, **CLOSED},
    "recursive": {"$ref": "#/$defs/list", "$defs": {"list": LIST}},
}


def choices(row: np.ndarray, vocabulary: TokenVocabulary, source: random.Random, count: int) -> list[int]:
    preferred = [vocabulary.byte_ids[ord(letter)] for letter in ADVERSARIAL]
    allowed = np.flatnonzero(np.unpackbits(row.view(np.uint8), bitorder="little"))
    adversarial = [token for token in preferred if allows(row, token)]
    picked = source.sample(adversarial, min(count, len(adversarial)))
    return [*picked, *(int(source.choice(allowed)) for _ in range(2) if len(allowed))]


def walk(schema: dict[str, Any], vocabulary: TokenVocabulary, seed: int, frame: Frame = BARE, steps: int = 25) -> int:
    """Walk at random, and assert at every step what is promised of every next token; returns how many were tried."""
    source = random.Random(seed)
    plan = ClosingPlan(schema, vocabulary, frame)
    validator = jsonschema.Draft202012Validator(schema)
    matcher = GuidanceBackend(vocabulary).start(schema, frame)
    follower, written, tried = plan.follower(), b"", 0
    row = np.zeros(vocabulary.words, dtype=np.uint32)
    data = vocabulary.token_bytes
    for _ in range(steps):
        matcher.fill(row)
        tokens = choices(row, vocabulary, source, 4)
        if not tokens:
            break
        before = follower.path(matcher) if follower.free else None
        for token in tokens:
            trial, following = matcher.fork(), follower.copy()
            assert trial.accept(token)
            following.advance(data[token])
            path = following.path(trial)
            assert following.searches == 0
            assert len(path) <= follower.reach < FAR
            assert plan.bound is None or following.reach <= plan.bound
            assert all(map(trial.accept, path))
            assert trial.can_end()
            text = b"".join([written, data[token], *(data[step] for step in path)]).decode()
            assert text.endswith(frame.after)
            assert validator.is_valid(json.loads(text.removesuffix(frame.after))), text
            if before is not None and allows(vocabulary.plain, token):
                assert path == before
            tried += 1
        token = source.choice(tokens)
        assert matcher.accept(token)
        follower.advance(data[token])
        written += data[token]
    return tried


@pytest.fixture(scope="module")
def vocabulary(tokenizer: ChatTokenizer) -> TokenVocabulary:
    return TokenVocabulary(tokenizer)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_path_exists_within_reach_whatever_token_comes(name: str, vocabulary: TokenVocabulary) -> None:
    for seed in range(4):
        frame = Frame(spaced=True, after="}\n") if seed % 2 else BARE
        assert walk(SCHEMAS[name], vocabulary, seed, frame) > 5


def test_a_path_exists_within_reach_for_real_schemas(
    vocabulary: TokenVocabulary, shared: Callable[[str], Path]
) -> None:
    lines = shared("corpora/json_schemas/maskbench_sample.jsonl").read_text("utf-8").splitlines()
    backend, tried = GuidanceBackend(vocabulary), 0
    for seed, line in enumerate(lines[::60]):
        normal = normalise(json.loads(line)["schema"], closed=True)
        if not backend.check(normal) and ClosingPlan(normal.schema, vocabulary).shortest is not None:
            tried += walk(normal.schema, vocabulary, seed, steps=10)
    assert tried > 100


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_shortest_value_is_whole_and_framed(name: str, vocabulary: TokenVocabulary) -> None:
    frame = Frame(after="}\n")
    plan = ClosingPlan(SCHEMAS[name], vocabulary, frame)
    matcher = GuidanceBackend(vocabulary).start(SCHEMAS[name], frame)
    assert plan.shortest is not None
    assert all(map(matcher.accept, plan.shortest))
    assert matcher.can_end()
    assert len(plan.follower().path(GuidanceBackend(vocabulary).start(SCHEMAS[name], frame))) <= len(plan.shortest)


NEVER = {"enum": list[Any]()}
ENDLESS = {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "required": ["a"]}


@pytest.mark.parametrize(
    "schema",
    [
        NEVER,
        {"type": "array", "items": NEVER, "minItems": 1},
        {"type": "object", "properties": {"a": NEVER}, "required": ["a"]},
        {"type": "object", "properties": {"a": {}}, "minProperties": 2, **CLOSED},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "string", "pattern": "^a{3}$", "maxLength": 2},
        {"type": "integer", "minimum": 7, "maximum": 11, "multipleOf": 6},
        {"$ref": "#/$defs/a", "$defs": {"a": ENDLESS}},
        {"type": "array", "minItems": 10**12},
    ],
)
def test_a_schema_that_nothing_satisfies_has_no_shortest_value(
    schema: dict[str, Any], vocabulary: TokenVocabulary
) -> None:
    assert ClosingPlan(schema, vocabulary).shortest is None


def test_a_deep_or_doubling_schema_is_bounded_work(vocabulary: TokenVocabulary) -> None:
    deep: dict[str, Any] = {"type": "null"}
    for _ in range(1500):
        deep = {"type": "array", "prefixItems": [deep], "minItems": 1, "maxItems": 1}
    plan = ClosingPlan(deep, vocabulary)
    assert plan.shortest is not None
    assert vocabulary.tokenizer.decode(plan.shortest) == "[" * 1500 + "null" + "]" * 1500
    assert plan.bound is not None
    definitions: dict[str, Any] = {"d60": {"type": "null"}}
    for level in range(60):
        half = {"$ref": f"#/$defs/d{level + 1}"}
        properties = {"left": half, "right": half}
        definitions[f"d{level}"] = {"type": "object", "properties": properties, "required": list(properties), **CLOSED}
    doubling = {"$ref": "#/$defs/d0", "$defs": definitions}
    assert ClosingPlan(doubling, vocabulary).shortest is None


def test_what_no_schema_admits_makes_reach_so_large_that_a_path_is_walked(vocabulary: TokenVocabulary) -> None:
    follower = ClosingPlan({"type": "integer"}, vocabulary).follower()
    follower.advance(b'"text')
    assert follower.reach >= FAR
    assert not follower.free


@pytest.mark.parametrize("written", ["\\", "\\u0", "\\u000", "\\u000A", "\\n"])
def test_a_line_break_in_an_enum_may_be_spelled_in_two_ways(written: str, vocabulary: TokenVocabulary) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["x\ny"]}}, "required": ["a"], **CLOSED}
    plan, matcher = ClosingPlan(schema, vocabulary), GuidanceBackend(vocabulary).start(schema)
    follower = plan.follower()
    text = f'{{"a": "x{written}'
    for byte in text.encode():
        assert matcher.accept(vocabulary.byte_ids[byte])
        follower.advance(bytes([byte]))
    path = follower.path(matcher)
    assert follower.searches == 0
    assert plan.bound is not None
    assert len(path) <= plan.bound
    assert json.loads(text.encode() + b"".join(vocabulary.token_bytes[token] for token in path)) == {"a": "x\ny"}


@pytest.mark.parametrize("pattern", ["(yes|no|maybe)", r"\d{3}-[a-f]{2,}(é|€)?", "(weather )*in Paris", "[^a]{2}😀+"])
def test_text_of_a_pattern_closes_within_reach(pattern: str, vocabulary: TokenVocabulary) -> None:
    plan = TextPlan(parse_pattern(pattern, whole=True), vocabulary)
    for seed in range(4):
        source, follower = random.Random(seed), plan.follower()
        matcher = GuidanceBackend(vocabulary).start_pattern(pattern)
        row = np.zeros(vocabulary.words, dtype=np.uint32)
        for _ in range(12):
            matcher.fill(row)
            tokens = choices(row, vocabulary, source, 3)
            if not tokens:
                break
            for token in tokens:
                trial, following = matcher.fork(), follower.copy()
                assert trial.accept(token)
                following.advance(vocabulary.token_bytes[token])
                path = following.path(trial)
                assert following.searches == 0
                assert len(path) <= follower.reach
                assert following.reach <= (plan.bound or 0)
                assert all(map(trial.accept, path))
                assert trial.can_end()
            token = source.choice(tokens)
            matcher.accept(token)
            follower.advance(vocabulary.token_bytes[token])
