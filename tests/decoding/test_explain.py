"""Explanations say what the masks did: compared with masks and whole distributions taken by hand."""

import json
from math import log
from random import Random
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.admission import SchemaAdmission
from octupus.decoding.compiled_turn import CompiledTurn
from octupus.decoding.explain import Explanation, PhaseRun, explain
from octupus.decoding.spec import TurnSpec
from octupus.decoding.turn import TurnConstraint
from octupus.decoding.turn_factory import TurnFactory
from octupus.decoding.vocabulary import TokenVocabulary

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "unit"],
}
ARGUMENTS = '{"city": "北京", "unit": "celsius"}'
BEYOND = 37
"""Ids of the logits that no token has."""


@pytest.fixture(scope="module")
def factory(tokenizer: ChatTokenizer) -> TurnFactory:
    return TurnFactory(TokenVocabulary(tokenizer, size=len(tokenizer) + BEYOND), OCTUPUS.layout(tokenizer))


def compiled(factory: TurnFactory, **fields: Any) -> CompiledTurn:
    admitted = SchemaAdmission(factory).arguments(SCHEMA).value
    return factory.compile(TurnSpec(tools={"get": admitted, "get_weather": admitted}, **fields))


def known_turn(tokenizer: ChatTokenizer) -> list[int]:
    control = tokenizer.control_tokens
    return [
        *(control["<|CONTENT|>"], *tokenizer.encode("get")),
        *(control["<|FUNCTION_CALL|>"], *tokenizer.encode("get_weather")),
        *(control["<|PARAMETERS|>"], *tokenizer.encode(ARGUMENTS), tokenizer.end_id),
    ]


def masks_along(turn: CompiledTurn, ids: list[int]) -> list[set[int]]:
    constraint, row = TurnConstraint(turn), np.zeros(turn.vocabulary.words, dtype=np.uint32)
    masks = []
    for token_id in ids:
        constraint.fill(row)
        masks.append(set(turn.vocabulary.listed(row)))
        assert constraint.accept(token_id)
    return masks


def random_turn(turn: CompiledTurn, random: Random) -> tuple[list[int], list[bool]]:
    """A turn under uniform logits, and for each of its tokens whether the budget had taken a choice by then."""
    constraint, row = TurnConstraint(turn), np.zeros(turn.vocabulary.words, dtype=np.uint32)
    ids: list[int] = []
    hurried: list[bool] = []
    while not constraint.is_done():
        constraint.fill(row)
        hurried.append(constraint.hurried)
        ids.append(random.choice(turn.vocabulary.listed(row)))
        assert constraint.accept(ids[-1])
    return ids, hurried


def random_scores(turn: CompiledTurn, random: Random) -> dict[int, float]:
    weights = [random.random() ** 8 + 1e-9 for _ in range(turn.vocabulary.size)]
    total = sum(weights)
    return {token_id: log(weight / total) for token_id, weight in enumerate(weights)}


def test_a_known_turn(factory: TurnFactory, tokenizer: ChatTokenizer) -> None:
    ids = known_turn(tokenizer)
    explanation = explain(compiled(factory), ids)
    names, arguments = len(tokenizer.encode("get_weather")) + 1, len(tokenizer.encode(ARGUMENTS)) + 1
    assert explanation.phases == (
        PhaseRun("start", 1),
        PhaseRun("content", len(tokenizer.encode("get")) + 1),
        PhaseRun("name", names),
        PhaseRun("arguments", arguments),
        PhaseRun("done", 0),
    )
    assert [step.token_id for step in explanation.steps] == ids
    assert explanation.steps[0].text == "<|CONTENT|>"
    assert explanation.refused_at is None
    assert explanation.hurried_from is None
    assert explanation.removed_mean is None
    assert explanation.steps[0].removed is None
    # A tokenizer this small splits Chinese characters: half of one is shown by its bytes.
    assert any("\\x" in step.text for step in explanation.steps)


def test_steps_agree_with_masks_and_whole_distributions(factory: TurnFactory) -> None:
    random = Random(5)
    turn = compiled(factory, max_tokens=48)
    forced_steps = 0
    for _ in range(6):
        ids, _ = random_turn(turn, random)
        scores = [random_scores(turn, random) for _ in ids]
        explanation = explain(turn, ids, scores)
        for step, allowed, scored in zip(explanation.steps, masks_along(turn, ids), scores, strict=True):
            assert step.allowed == len(allowed)
            assert step.forced == (len(allowed) == 1)
            forced_steps += step.forced
            forbidden = {token_id: np.exp(score) for token_id, score in scored.items() if token_id not in allowed}
            assert step.removed == pytest.approx(sum(forbidden.values()))
            assert step.unscored == pytest.approx(0, abs=1e-9)
            likeliest = sorted(forbidden, key=lambda token_id: -forbidden[token_id])
            assert [token.token_id for token in step.preferred] == likeliest[: len(step.preferred)]
            assert len(step.preferred) == min(3, len(forbidden))
        masses = [step.removed or 0.0 for step in explanation.steps]
        assert explanation.removed_max == max(masses)
        assert explanation.removed_mean == pytest.approx(sum(masses) / len(masses))
        assert [masses[position] for position in explanation.most_removed] == sorted(masses, reverse=True)[:8]
        assert explanation.forced_share == sum(step.forced for step in explanation.steps) / len(ids)
    assert forced_steps


def test_the_likeliest_tokens_alone_bound_what_was_removed(factory: TurnFactory, tokenizer: ChatTokenizer) -> None:
    random = Random(6)
    turn, ids = compiled(factory), known_turn(tokenizer)
    scores = [random_scores(turn, random) for _ in ids]
    few = [dict(sorted(scored.items(), key=lambda item: -item[1])[:5]) for scored in scores]
    whole, bounded = explain(turn, ids, scores), explain(turn, ids, few)
    for exact, bound in zip(whole.steps, bounded.steps, strict=True):
        assert exact.removed is not None
        assert bound.removed is not None
        assert bound.unscored is not None
        assert bound.removed <= exact.removed <= bound.removed + bound.unscored + 1e-9


def test_the_budget_is_named_from_where_it_took_a_choice(factory: TurnFactory) -> None:
    random = Random(7)
    seen = set()
    for spare in (0, 20, 40):
        turn = compiled(factory, max_tokens=compiled(factory, tool_choice="required").shortest + spare)
        for _ in range(8):
            ids, hurried = random_turn(turn, random)
            explanation = explain(turn, ids)
            assert [step.hurried for step in explanation.steps] == hurried
            assert explanation.hurried_from == (hurried.index(True) if True in hurried else None)
            seen.add(True in hurried)
    assert True in seen


def test_a_foreign_turn_is_explained_up_to_where_it_breaks(factory: TurnFactory, tokenizer: ChatTokenizer) -> None:
    ids = known_turn(tokenizer)
    foreign = [*ids[:4], len(tokenizer) + BEYOND - 1, *ids[4:]]
    explanation = explain(compiled(factory), foreign)
    assert explanation.refused_at == 4
    assert [step.token_id for step in explanation.steps] == foreign[:4]
    assert explanation.phases[-1].phase != "done"
    assert explain(compiled(factory), []).steps == ()


def test_an_explanation_survives_json(factory: TurnFactory, tokenizer: ChatTokenizer) -> None:
    turn, ids = compiled(factory), known_turn(tokenizer)
    scores: list[dict[int, float]] = [{0: float("-inf"), tokenizer.end_id: 0.0} for _ in ids[:-2]]
    explanation = explain(turn, ids, scores)
    text = json.dumps(explanation.to_json(), allow_nan=False)
    assert TypeAdapter(Explanation).validate_json(text) == explanation
