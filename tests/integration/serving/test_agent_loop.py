"""The tutorial's kind of client runs its loop unchanged: what is called fits the functions, results are accepted.

The model is random and cannot know what to call, so the loop runs with several seeds until enough was called.
"""

import inspect
import json
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import jsonschema
import pytest

from .agent_script import FUNCTIONS, MAX_TURNS, TOOLS, run
from .asking import MODEL

pytestmark = pytest.mark.timeout(600)

SCHEMAS = {tool["function"]["name"]: tool["function"]["parameters"] for tool in TOOLS}
BUDGET = {"max_tokens": 64, "parallel_tool_calls": False}


def check_conversation(messages: list[Any]) -> int:
    """Every call fits its function and is followed by its result; how many calls there were."""
    assert messages[0]["role"] == "user"
    left: Iterator[Any] = iter(messages[1:])
    calls = turns = 0
    for message in left:
        turns += 1
        assert message.role == "assistant"
        called = message.tool_calls or []
        calls += len(called)
        for call, result in zip(called, islice(left, len(called)), strict=True):
            arguments = json.loads(call.function.arguments)
            jsonschema.validate(arguments, SCHEMAS[call.function.name])
            function = FUNCTIONS[call.function.name]
            inspect.signature(function).bind(**arguments)
            assert result["tool_call_id"] == call.id
            assert json.loads(result["content"]) == function(**arguments)
        assert bool(called) or message is messages[-1]
    assert 1 <= turns <= MAX_TURNS
    return calls


def test_the_loop_runs_until_the_model_answers(base_url: str) -> None:
    calls = answered = 0
    for seed in count():
        messages = run(base_url, MODEL, seed=seed, **BUDGET)
        calls += check_conversation(messages)
        answered += getattr(messages[-1], "role", "") == "assistant"
        if calls >= 3 and answered:
            break
        assert seed < 30, "thirty conversations without three calls and an answer"


def test_the_first_turn_can_be_made_a_call(base_url: str) -> None:
    messages = run(base_url, MODEL, first_choice="required", seed=1, **BUDGET)
    assert check_conversation(messages) >= 1
    assert messages[1].content is None


def test_calls_side_by_side_are_answered_side_by_side(base_url: str) -> None:
    most = 0
    for seed in range(6):
        two = {"max_tool_calls": 2}  # more of them would fill the small model's context
        messages = run(base_url, MODEL, first_choice="required", seed=seed, max_tokens=100, extra_body=two)
        check_conversation(messages)
        most = max(most, len(messages[1].tool_calls))
        if most > 1:
            return
    assert most > 1
