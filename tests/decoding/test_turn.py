"""Turns under any logits: whatever the model prefers, what comes out is a well-formed turn inside its budget."""

import json
import random
import re
from typing import Any

import jsonschema
import numpy as np
import pytest

from octupus.chat.dialect import Dialect
from octupus.chat.hermes import HERMES
from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.backends import BACKENDS
from octupus.decoding.spec import TurnSpec, ValueSpec
from octupus.decoding.turn import OPTIONAL_ROOM, TurnConstraint
from octupus.decoding.turn_factory import TurnFactory
from octupus.decoding.turn_state import Phase
from octupus.decoding.vocabulary import allows

from .turns import TASTES, TOOLS, admitted, factory, read, spec, write

DIALECTS: dict[str, Dialect] = {"octupus": OCTUPUS, "hermes": HERMES}


@pytest.fixture(scope="module")
def factories(both_tokenizer: ChatTokenizer) -> dict[str, TurnFactory]:
    return {name: factory(dialect, both_tokenizer) for name, dialect in DIALECTS.items()}


@pytest.fixture(params=list(DIALECTS))
def turns(request: pytest.FixtureRequest, factories: dict[str, TurnFactory]) -> tuple[Dialect, TurnFactory]:
    return DIALECTS[request.param], factories[request.param]


def encode_turn(tokenizer: ChatTokenizer, *pieces: str) -> list[int]:
    """Ids of a turn given as control tokens and texts."""
    ids: list[int] = []
    for piece in pieces:
        ids += [tokenizer.control_tokens[piece]] if piece in tokenizer.control_tokens else tokenizer.encode(piece)
    return ids


def check(message: Any, rules: TurnSpec) -> None:
    """Hold a finished turn to its rules."""
    calls = message.tool_calls
    for call in calls:
        assert call.function.name in rules.tools
        arguments = json.loads(call.function.arguments)
        jsonschema.validate(arguments, TOOLS[call.function.name])
        assert set(arguments) <= set(TOOLS[call.function.name]["properties"])
    assert not (rules.tool_choice == "none" and calls)
    if rules.tool_choice == "required":
        assert calls
        assert not message.content
    if not rules.parallel:
        assert len(calls) <= 1
    assert rules.max_calls is None or len(calls) <= rules.max_calls
    assert message.content or calls


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_any_logits_give_a_valid_turn_inside_any_budget(backend: str, turns: tuple[Dialect, TurnFactory]) -> None:
    dialect, made = turns
    randomness = random.Random(f"{backend}{dialect.name}")
    tools = admitted(made, backend)
    called: set[str] = set()
    hurried = 0
    for number in range(150 if backend == "llguidance" else 30):
        names = randomness.sample(sorted(tools), randomness.randint(1, len(tools)))
        rules = spec(
            {name: tools[name] for name in names},
            tool_choice=randomness.choice(("auto", "none", "required", "required")),
            parallel=randomness.random() < 0.6,
            max_calls=randomness.choice((None, 2)),
        )
        budget = made.compile(rules).shortest + randomness.choice((0, 0, 1, 3, 10, 30, 90))
        rules = TurnSpec(**(rules.__dict__ | {"max_tokens": budget}))
        turn = made.turn(rules)
        ids = write(turn, made, randomness, budget, TASTES[number % len(TASTES)])
        assert len(ids) <= budget
        message = read(dialect, made.vocabulary.tokenizer, ids)
        check(message, rules)
        called |= {call.function.name for call in message.tool_calls}
        hurried += turn.hurried
    assert called == set(tools) if backend == "llguidance" else len(called) > 2
    assert hurried, "no turn came near its budget, so nothing was tested"


def test_turns_without_a_budget_are_valid_too(turns: tuple[Dialect, TurnFactory]) -> None:
    dialect, made = turns
    randomness = random.Random(dialect.name)
    for _ in range(20):
        rules = spec(admitted(made), tool_choice=randomness.choice(("auto", "required")))
        turn = made.turn(rules)
        check(read(dialect, made.vocabulary.tokenizer, write(turn, made, randomness, 60)), rules)
        assert not turn.hurried


TRAINED = {
    "octupus": [
        *("<|CONTENT|>", "Paris, 北京 🌧", "<|FUNCTION_CALL|>", "get", "<|PARAMETERS|>", "{}"),
        *("<|FUNCTION_CALL|>", "get_weather", "<|PARAMETERS|>", '{"city": "Paris", "days": 3}'),
        *("<|FUNCTION_CALL|>", "天气", "<|PARAMETERS|>", '{"城市": "北京"}', "<|im_end|>"),
    ],
    "hermes": [
        *("<think>", "\nhm\n", "</think>", "\n\n", "Paris, 北京 🌧\n"),
        *("<tool_call>", '\n{"name": "get", "arguments": {}}\n', "</tool_call>", "\n"),
        *(
            "<tool_call>",
            '\n{"name": "get_weather", "arguments": {"city": "Paris", "days": 3}}\n',
            "</tool_call>",
            "\n",
        ),
        *("<tool_call>", '\n{"name": "天气", "arguments": {"城市": "北京"}}\n', "</tool_call>", "<|im_end|>"),
    ],
}


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_what_a_trained_model_writes_is_allowed(backend: str, turns: tuple[Dialect, TurnFactory]) -> None:
    dialect, made = turns
    tokenizer = made.vocabulary.tokenizer
    turn = made.turn(spec(admitted(made, backend), max_tokens=500))
    row = np.zeros(made.vocabulary.words, dtype=np.uint32)
    for token in encode_turn(tokenizer, *TRAINED[dialect.name]):
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
        ({"max_calls": 1}, ["<|FUNCTION_CALL|>", "get", "<|PARAMETERS|>", "{}", "<|FUNCTION_CALL|>"]),
        ({}, ["<|FUNCTION_CALL|>", "get_weather", "<|PARAMETERS|>", "{", "}"]),
        ({}, ["<|FUNCTION_CALL|>", "get_weather", "<|PARAMETERS|>", '{"city": "P"', "<|im_end|>"]),
    ],
)
def test_what_breaks_the_turn_is_refused(
    fields: dict[str, Any], pieces: list[str], factories: dict[str, TurnFactory]
) -> None:
    made = factories["octupus"]
    turn = made.turn(spec(admitted(made), **fields))
    assert not turn.accept_all(encode_turn(made.vocabulary.tokenizer, *pieces))
    assert turn.phase is Phase.START, "a refusal must change nothing"


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_rollback_fork_and_replay_restore_every_mask(backend: str, turns: tuple[Dialect, TurnFactory]) -> None:
    _, made = turns
    randomness = random.Random(7)
    rules = spec(admitted(made, backend), tool_choice="required", max_tokens=110)
    ids = write(made.turn(rules), made, randomness, 60)

    def masks(turn: TurnConstraint, rest: list[int]) -> list[bytes]:
        found = []
        row = np.zeros(made.vocabulary.words, dtype=np.uint32)
        for token in rest:
            turn.fill(row)
            found.append(row.tobytes())
            assert turn.accept(token)
        return found

    turn = made.turn(rules)
    expected = masks(turn, ids)
    for _ in range(5):
        count = randomness.randrange(1, len(ids) + 1)
        turn.rollback(count)
        assert masks(turn.fork(), ids[-count:]) == expected[-count:]
        assert masks(turn, ids[-count:]) == expected[-count:]
        replayed = made.turn(TurnSpec(**(rules.__dict__ | {"generated": tuple(ids[:-count])})))
        assert masks(replayed, ids[-count:]) == expected[-count:]


def test_a_replay_that_breaks_the_turn_is_refused(factories: dict[str, TurnFactory]) -> None:
    made = factories["octupus"]
    with pytest.raises(ValueError, match="no beginning of a turn"):
        made.turn(spec({}, generated=(made.vocabulary.end,)))


@pytest.mark.parametrize("taste", TASTES)
def test_content_can_be_held_to_a_schema_or_a_pattern(taste: str, turns: tuple[Dialect, TurnFactory]) -> None:
    dialect, made = turns
    randomness = random.Random(taste)
    schema = {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "boolean"}, "minItems": 2}]}
    for rules in (
        TurnSpec(content=ValueSpec(schema), tool_choice="none"),
        TurnSpec(pattern=r"[a-c]{2,4}(-\d+)?", tool_choice="none"),
        TurnSpec(tools=admitted(made), pattern="yes|no|北京", tool_choice="auto"),
    ):
        for extra in (0, 1, 5, 20):
            budget = made.compile(rules).shortest + extra
            turn = made.turn(TurnSpec(**(rules.__dict__ | {"max_tokens": budget})))
            message = read(dialect, made.vocabulary.tokenizer, write(turn, made, randomness, budget, taste))
            if message.content is None:
                assert message.tool_calls
            elif rules.content is not None:
                jsonschema.validate(json.loads(message.content), schema)
            else:
                assert re.fullmatch(rules.pattern or "", message.content)


def test_a_call_that_nobody_asked_for_is_begun_only_with_room_for_it(turns: tuple[Dialect, TurnFactory]) -> None:
    _, made = turns
    rules = spec(admitted(made, names=["get_weather"]))
    cost = made.compile(rules).cheapest_call
    assert cost is not None
    row = np.zeros(made.vocabulary.words, dtype=np.uint32)
    for budget, offered in ((cost + OPTIONAL_ROOM - 1, False), (cost + OPTIONAL_ROOM, True)):
        made.turn(TurnSpec(**(rules.__dict__ | {"max_tokens": budget}))).fill(row)
        assert allows(row, made.layout.call) == offered


def test_spec_travels_as_json(factories: dict[str, TurnFactory]) -> None:
    rules = spec(admitted(factories["octupus"]), tool_choice="required", parallel=False, generated=(1, 2), pattern="a")
    assert TurnSpec.from_json(rules.to_json()) == rules
    assert TurnSpec.from_json(TurnSpec(content=ValueSpec({})).to_json()).content == ValueSpec({})


def test_a_turn_is_hurried_only_where_its_budget_is_watched(turns: tuple[Dialect, TurnFactory]) -> None:
    _, made = turns
    randomness = random.Random(3)
    rules = spec(admitted(made, names=["get", "get_weather", "天气"]), tool_choice="required")
    watched = made.compile(rules).watched
    assert watched is not None
    hurried = 0
    for budget in (30, 60, 90, 120, 150) * 4:
        turn = made.turn(TurnSpec(**(rules.__dict__ | {"max_tokens": budget})))
        ids = write(turn, made, randomness, budget)
        assert not turn.hurried or budget - len(ids) <= watched
        hurried += turn.hurried
    assert hurried
