"""What backends say they enforce holds, and what they say they cannot is named with its place."""

import json
from typing import Any

import jsonschema
import numpy as np
import pytest

from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.backends import BACKENDS, Backends
from octupus.decoding.vocabulary import COMPLETE, TokenVocabulary, advance_utf8, allows
from octupus.errors import ConfigError
from octupus.schema.admission import prepare, walk
from octupus.schema.normal import normalise


@pytest.fixture(scope="module")
def backends(tokenizer: ChatTokenizer) -> Backends:
    return Backends(TokenVocabulary(tokenizer))


def in_object(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}, "required": ["a"]}


@pytest.mark.parametrize("name", sorted(BACKENDS))
@pytest.mark.parametrize(
    ("schema", "instances"),
    [
        ({"type": "string", "minLength": 1, "maxLength": 3}, ["a", "abc", "", "abcd"]),
        ({"type": "integer"}, [0, -7, 12, 1.5, "1"]),
        ({"type": "number"}, [0.5, -3, "x"]),
        ({"type": "boolean"}, [True, None]),
        ({"type": "string", "enum": ["red", "redder"]}, ["red", "redder", "blue"]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}, [[1], [1, 2], [], [1, 2, 3]]),
        ({"type": "object", "properties": {"b": {"type": "null"}}}, [{}, {"b": None}, {"c": 1}, {"b": 1}]),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, [1, "x", None]),
        ({"type": "integer", "minimum": 2, "maximum": 11}, [2, 11, 1, 12]),
        ({"type": "string", "pattern": "^[a-c]+$"}, ["abc", "d"]),
        ({"type": "string", "format": "date"}, ["2026-01-31", "tomorrow"]),
        ({"type": ["integer", "null"], "minimum": 3}, [3, None, 2, "x"]),
        ({"oneOf": [{"type": "string"}, {"type": "boolean"}]}, ["x", False, 1]),
        ({"allOf": [{"minimum": 1}, {"type": "integer", "maximum": 9}]}, [1, 9, 0, 10]),
        ({"const": {"x": [1, None]}}, [{"x": [1, None]}, {"x": [1]}, 1]),
    ],
)
def test_an_admitted_schema_accepts_exactly_its_instances(
    backends: Backends, tokenizer: ChatTokenizer, name: str, schema: dict[str, Any], instances: list[Any]
) -> None:
    backend = backends.named(name)
    whole = in_object(schema)
    normal = normalise(whole, closed=True)
    assert not normal.unexpressed
    if backend.check(normal):
        assert name != "llguidance"
        return
    validator = jsonschema.Draft202012Validator(prepare(whole), format_checker=jsonschema.FormatChecker())
    for instance in instances:
        matcher = backend.start(normal.schema)
        accepted = all(matcher.accept(token) for token in tokenizer.encode(json.dumps({"a": instance})))
        assert (accepted and matcher.can_end()) == validator.is_valid({"a": instance}), instance


def test_keys_that_would_have_to_repeat_are_refused(backends: Backends) -> None:
    few = normalise({"type": "object", "patternProperties": {"^[ab]$": {}}, "additionalProperties": False})
    assert [item.keyword for item in backends.guidance.check(few)] == ["patternProperties"]
    many = normalise({"type": "object", "patternProperties": {"^[ab]+$": {}}, "additionalProperties": False})
    assert backends.guidance.check(many) == []


def test_unknown_backends_are_named(backends: Backends) -> None:
    with pytest.raises(ConfigError, match="known backends: llguidance, lm-format-enforcer, xgrammar"):
        backends.named("outlines")


def test_preparation_closes_objects_and_never_admits_more() -> None:
    schema = {
        "title": "x",
        "type": "object",
        "properties": {
            "open": {"type": "object", "additionalProperties": True, "properties": {"a": {}}},
            "closed": {"type": "object", "properties": {"default": {"type": "string", "format": "made-up"}}},
        },
    }
    prepared = prepare(schema)
    assert prepared["additionalProperties"] is False
    assert prepared["properties"]["open"]["additionalProperties"] is True
    assert prepared["properties"]["closed"] == {
        "type": "object",
        "properties": {"default": {"type": "string"}},
        "additionalProperties": False,
    }
    assert "title" not in prepared
    assert [pointer for pointer, _ in walk(schema)][-1] == "/properties/closed/properties/default"


def test_masks_of_text_follow_utf8(tokenizer: ChatTokenizer) -> None:
    vocabulary = TokenVocabulary(tokenizer, size=len(tokenizer) + 50)
    state = COMPLETE
    for token in tokenizer.encode("a🌧é"):
        row, partial = vocabulary.text(state)
        assert allows(row, token)
        assert not any(allows(row, special) for special in tokenizer.special_tokens.values())
        assert not row[-1] >> np.uint32(31) & 1, "ids beyond the tokenizer are never allowed"
        state = partial.get(token, COMPLETE)
    assert state == COMPLETE


@pytest.mark.parametrize("data", [b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xe4\xff"])
def test_bytes_that_are_no_utf8_are_refused(data: bytes) -> None:
    assert advance_utf8(COMPLETE, data) is None
    with pytest.raises(UnicodeDecodeError):
        data.decode()
