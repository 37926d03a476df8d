"""Turns for tests: a factory in each dialect, and a model of strange taste that writes them."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from octupus.chat.dialect import Dialect
from octupus.chat.parse import fold
from octupus.chat.tokenizer import ChatTokenizer
from octupus.conversation import Message
from octupus.decoding.admission import RefusedSchemaError, SchemaAdmission
from octupus.decoding.spec import TurnSpec, ValueSpec
from octupus.decoding.turn import TurnConstraint
from octupus.decoding.turn_factory import TurnFactory
from octupus.decoding.vocabulary import TokenVocabulary, allows

TOOLS: dict[str, dict[str, Any]] = {
    "get": {"type": "object", "properties": {}},
    "get_weather": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 12},
            "days": {"type": "integer"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city"],
    },
    "get_weather_daily": {
        "type": "object",
        "properties": {
            "cities": {"type": "array", "items": {"type": "string", "maxLength": 5}, "minItems": 1, "maxItems": 3},
            "exact": {"type": "boolean"},
            "limit": {"type": "number"},
        },
        "required": ["cities", "limit"],
    },
    "天气": {"type": "object", "properties": {"城市": {"type": "string"}}, "required": ["城市"]},
    "tree": {
        "type": "object",
        "properties": {"value": {}, "children": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["value"],
    },
}
TASTES = ("uniform", "closing", "opening", "control", "broken")


def factory(dialect: Dialect, tokenizer: ChatTokenizer) -> TurnFactory:
    """A factory for logits wider than the tokenizer."""
    return TurnFactory(TokenVocabulary(tokenizer, size=len(tokenizer) + 37), dialect.layout(tokenizer))


def admitted(
    factory: TurnFactory, backend: str = "llguidance", names: Sequence[str] = tuple(TOOLS)
) -> dict[str, ValueSpec]:
    """The tools that a backend admits."""
    admission = SchemaAdmission(factory, backend)
    found: dict[str, ValueSpec] = {}
    for name in names:
        try:
            found[name] = admission.arguments(TOOLS[name]).value
        except RefusedSchemaError:
            assert backend != "llguidance"
    assert len(found) >= 2 or len(names) < 2
    return found


def write(
    turn: TurnConstraint, factory: TurnFactory, randomness: random.Random, longest: int, taste: str = "uniform"
) -> list[int]:
    """Ids of a random turn; from `longest` tokens on what closes is preferred, so that it ends without a budget."""
    vocabulary = factory.vocabulary
    data = vocabulary.token_bytes
    ends = [token for token in (factory.layout.call_end, factory.layout.think_end) if token is not None]
    favourites = {
        "uniform": [],
        "closing": [vocabulary.end, *ends, *(i for i, d in enumerate(data) if d and not d.strip(b'"}]'))],
        "opening": [i for i, d in enumerate(data) if d and not d.strip(b'[{",: ')],
        "control": sorted(vocabulary.tokenizer.control_tokens.values()),
        "broken": [i for i, d in enumerate(data) if d and max(d) >= 0x80],
    }
    row = np.zeros(vocabulary.words, dtype=np.uint32)
    ids: list[int] = []
    while not turn.is_done():
        turn.fill(row)
        allowed = vocabulary.listed(row)
        assert allowed, "the mask is empty"
        assert allowed[-1] < len(vocabulary.tokenizer)
        liked = [token for token in favourites["closing" if len(ids) > longest else taste] if allows(row, token)]
        chosen = randomness.choice(liked if liked and randomness.random() < 0.8 else allowed)
        assert turn.accept(chosen), (chosen, turn.phase)
        ids.append(chosen)
        assert len(ids) < longest + 600, "the turn does not end"
    return ids


def read(dialect: Dialect, tokenizer: ChatTokenizer, ids: Sequence[int]) -> Message:
    """The message of a turn, which must not be malformed."""
    parser = dialect.parser(tokenizer)
    message = fold([*parser.push(ids), *parser.finish()])
    assert parser.malformed is None, (parser.malformed, tokenizer.decode(ids))
    return message


def spec(admitted_tools: dict[str, ValueSpec], **fields: Any) -> TurnSpec:
    """A spec of these tools."""
    return TurnSpec(**({"tools": admitted_tools} | fields))
