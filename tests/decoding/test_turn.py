"""Turns under random logits: whatever the model prefers, what comes out is a well-formed turn."""

import json
import random
from typing import Any

import jsonschema
import numpy as np
import pytest

from octupus.chat.octupus import OCTUPUS
from octupus.chat.parse import fold
from octupus.chat.tokenizer import ChatTokenizer
from octupus.conversation import Message
from octupus.decoding.backends import BACKENDS, Backends
from octupus.decoding.turn import MARGIN, Phase, TurnConstraint, TurnSpec
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
}


@pytest.fixture(scope="module")
def backends(tokenizer: ChatTokenizer) -> Backends:
    return Backends(TokenVocabulary(tokenizer, size=len(tokenizer) + 37))


def constraint(backends: Backends, **fields: Any) -> TurnConstraint:
    """A turn with the tools that its backend admits; llguidance admits them all."""
    backend = backends.named(fields.get("backend", "llguidance"))
    admitted = {name: schema for name, schema in TOOLS.items() if not backend.check(schema)}
    assert backend.name != "llguidance" or admitted == TOOLS
    return TurnConstraint(TurnSpec(**({"tools": admitted} | fields)), backends.vocabulary, backend)


def encode_turn(tokenizer: ChatTokenizer, *pieces: str) -> list[int]:
    """Ids of a turn given as control tokens and texts."""
    ids: list[int] = []
    for piece in pieces:
        ids += [tokenizer.special_tokens[piece]] if piece in tokenizer.special_tokens else tokenizer.encode(piece)
    return ids


def random_turn(
    turn: TurnConstraint, vocabulary: TokenVocabulary, randomness: random.Random, longest: int
) -> list[int]:
    """Sample from the mask, control tokens more often; after `longest` tokens prefer what closes, so that walks end."""
    row = np.zeros(vocabulary.words, dtype=np.uint32)
    closing = [vocabulary.end, *(vocabulary.tokenizer.encode(text)[0] for text in '"}],0')]
    ids: list[int] = []
    while not turn.is_done():
        turn.fill(row)
        allowed = np.flatnonzero(np.unpackbits(row.view(np.uint8), bitorder="little"))
        assert len(allowed), "the mask is empty"
        assert allowed[-1] < len(vocabulary.tokenizer)
        wanted = [token for token in closing if allows(row, token)] if len(ids) > longest else []
        structural = [token for token in vocabulary.tokenizer.special_tokens.values() if allows(row, token)]
        if structural and randomness.random() < 0.1:
            wanted = [randomness.choice(structural)]
        token = wanted[0] if wanted else int(allowed[randomness.randrange(len(allowed))])
        assert turn.accept(token)
        ids.append(token)
        assert len(ids) < longest + 400, "the turn does not end"
    return ids


def parsed(tokenizer: ChatTokenizer, ids: list[int]) -> Message:
    parser = OCTUPUS.parser(tokenizer)
    deltas = parser.push(ids) + parser.finish()
    assert parser.malformed is None
    return fold(deltas)


@pytest.mark.parametrize("backend", sorted(BACKENDS))
@pytest.mark.parametrize("tool_choice", ["auto", "none", "required"])
@pytest.mark.parametrize("parallel", [True, False])
def test_any_logits_give_a_valid_turn(
    backend: str, tool_choice: str, parallel: bool, backends: Backends, tokenizer: ChatTokenizer
) -> None:
    randomness = random.Random(f"{backend}{tool_choice}{parallel}")
    called: set[str] = set()
    for _ in range(12 if backend == "llguidance" else 3):
        turn = constraint(backends, backend=backend, tool_choice=tool_choice, parallel=parallel)
        message = parsed(tokenizer, random_turn(turn, backends.vocabulary, randomness, longest=60))
        for call in message.tool_calls:
            called.add(call.function.name)
            arguments = json.loads(call.function.arguments)
            jsonschema.validate(arguments, TOOLS[call.function.name])
            assert set(arguments) <= set(TOOLS[call.function.name]["properties"])
        if tool_choice == "none":
            assert not message.tool_calls
        if tool_choice == "required":
            assert message.tool_calls
            assert message.content is None
        if not parallel:
            assert len(message.tool_calls) <= 1
        assert message.content or message.tool_calls
    assert called or tool_choice == "none"


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_what_a_trained_model_writes_is_allowed(backend: str, backends: Backends, tokenizer: ChatTokenizer) -> None:
    ids = encode_turn(
        tokenizer,
        *("<|CONTENT|>", "Paris, 北京 🌧", "<|FUNCTION_CALL|>", "get", "<|PARAMETERS|>", "{}"),
        *("<|FUNCTION_CALL|>", "get_weather", "<|PARAMETERS|>", '{"city": "Paris", "days": 3}'),
        *("<|FUNCTION_CALL|>", "天气", "<|PARAMETERS|>", '{"城市": "北京"}', "<|im_end|>"),
    )
    if backend == "lm-format-enforcer":  # cannot follow a character that the tokenizer splits
        ids = ids[: -len(encode_turn(tokenizer, "<|FUNCTION_CALL|>", "天气", "<|PARAMETERS|>", '{"城市": "北京"}')) - 1]
        ids.append(tokenizer.end_id)
    turn = constraint(backends, backend=backend)
    row = np.zeros(backends.vocabulary.words, dtype=np.uint32)
    for token in ids:
        turn.fill(row)
        assert allows(row, token), (tokenizer.decode([token]), turn.phase)
        forced = turn.forced()
        assert not forced or forced[0] == token
        assert turn.accept(token)
    assert turn.is_done()


@pytest.mark.parametrize(
    ("fields", "pieces"),
    [
        ({"tool_choice": "none"}, ["<|FUNCTION_CALL|>"]),
        ({"tools": {}}, ["<|FUNCTION_CALL|>"]),
        ({"tool_choice": "required"}, ["<|CONTENT|>"]),
        ({}, ["<|CONTENT|>", "<|im_end|>"]),
        ({}, ["<|CONTENT|>", "a", "<|USER|>"]),
        ({}, ["<|FUNCTION_CALL|>", "get_weather_", "<|PARAMETERS|>"]),
        ({}, ["<|FUNCTION_CALL|>", "unknown"]),
        ({"parallel": False}, ["<|FUNCTION_CALL|>", "get", "<|PARAMETERS|>", "{}", "<|FUNCTION_CALL|>"]),
        ({}, ["<|FUNCTION_CALL|>", "get_weather", "<|PARAMETERS|>", "{", "}"]),
        ({}, ["<|FUNCTION_CALL|>", "get_weather", "<|PARAMETERS|>", '{"city": "P"', "<|im_end|>"]),
    ],
)
def test_what_breaks_the_turn_is_refused(
    fields: dict[str, Any], pieces: list[str], backends: Backends, tokenizer: ChatTokenizer
) -> None:
    turn = constraint(backends, **fields)
    ids = encode_turn(tokenizer, *pieces)
    assert not turn.accept_all(ids)
    assert turn.phase is Phase.START, "a refusal must change nothing"


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_rollback_and_fork_restore_every_mask(backend: str, backends: Backends, tokenizer: ChatTokenizer) -> None:
    randomness = random.Random(7)
    vocabulary = backends.vocabulary
    ids = random_turn(constraint(backends, backend=backend), vocabulary, randomness, longest=30)

    def masks(turn: TurnConstraint, rest: list[int]) -> list[bytes]:
        found = []
        row = np.zeros(vocabulary.words, dtype=np.uint32)
        for token in rest:
            turn.fill(row)
            found.append(row.tobytes())
            assert turn.accept(token)
        return found

    turn = constraint(backends, backend=backend)
    expected = masks(turn, ids)
    for _ in range(5):
        count = randomness.randrange(1, len(ids) + 1)
        turn.rollback(count)
        copy = turn.fork()
        assert masks(copy, ids[-count:]) == expected[-count:]
        assert masks(turn, ids[-count:]) == expected[-count:]


@pytest.mark.parametrize("backend", sorted(BACKENDS))
@pytest.mark.parametrize("tool_choice", ["auto", "required"])
def test_an_open_call_is_closed_within_the_budget(
    backend: str, tool_choice: str, backends: Backends, tokenizer: ChatTokenizer
) -> None:
    randomness = random.Random(f"{backend}{tool_choice}")
    vocabulary = backends.vocabulary
    row = np.zeros(vocabulary.words, dtype=np.uint32)
    near = 0
    for _ in range(60 if backend == "llguidance" else 6):
        shortest = constraint(backends, backend=backend, tool_choice=tool_choice).shortest()
        assert shortest is not None
        budget = randomness.randint(shortest, 90)
        turn = constraint(backends, backend=backend, tool_choice=tool_choice, max_tokens=budget)
        ids: list[int] = []
        while not turn.is_done() and len(ids) < budget:
            turn.fill(row)
            allowed = np.flatnonzero(np.unpackbits(row.view(np.uint8), bitorder="little"))
            assert len(allowed)
            structural = [vocabulary.call] if allows(row, vocabulary.call) else []
            ids.append((structural or allowed.tolist())[randomness.randrange(len(structural or allowed))])
            assert turn.accept(ids[-1])
        parser = OCTUPUS.parser(tokenizer)
        message = fold(parser.push(ids) + parser.finish())
        near += len(ids) + MARGIN + 10 >= budget
        if vocabulary.call in ids:
            assert turn.is_done(), (budget, tokenizer.decode(ids))
            assert parser.malformed is None
            for call in message.tool_calls:
                jsonschema.validate(json.loads(call.function.arguments), TOOLS[call.function.name])
    assert near, "no walk came near its budget, so nothing was tested"


def test_a_budget_that_holds_no_call_offers_none(backends: Backends) -> None:
    turn = constraint(backends, max_tokens=5)
    row = np.zeros(backends.vocabulary.words, dtype=np.uint32)
    turn.fill(row)
    assert allows(row, backends.vocabulary.content)
    assert not allows(row, backends.vocabulary.call)


def test_spec_travels_as_json() -> None:
    spec = TurnSpec(TOOLS, tool_choice="required", parallel=False)
    assert TurnSpec.from_json(spec.to_json()) == spec
