import asyncio
import json
from typing import Any

import pytest

from octupus.evaluate.calls.dialogue import Dialogue, dialogue_totals, hold, score_dialogue
from octupus.evaluate.calls.environment import Environment, PythonEnvironment
from octupus.evaluate.calls.states import expected_turns
from octupus.evaluate.scoring import Reply

from .conversations import Bank, bank

CONVERSATION = bank()
FIVE, TWO, BALANCE = ("deposit", '{"amount": 5}'), ("deposit", '{"amount": 2}'), ("balance", "{}")
DONE = Reply(content="Done.")


def make(initial_state: Any) -> Environment:
    return PythonEnvironment(Bank(initial_state or 0))


def held(*replies: Reply, max_steps: int = 5) -> tuple[dict[str, Any], list[list[dict[str, Any]]]]:
    """The record of a conversation in which these replies come one after the other, and the prompts of each."""
    left = list(replies)
    prompts = []

    async def ask(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Reply:
        assert [tool["function"]["name"] for tool in tools] == ["deposit", "balance"]
        prompts.append(json.loads(json.dumps(messages)))
        return left.pop(0)

    record = asyncio.run(hold(CONVERSATION, ask, make(None), max_steps))
    assert not left
    return json.loads(json.dumps(record)), prompts


def calls(*each: tuple[str, str]) -> Reply:
    return Reply(calls=each)


def turns_right(record: dict[str, Any]) -> list[bool]:
    return [turn.right for turn in score_dialogue(CONVERSATION, record, make)]


def test_expected_calls_belong_to_the_user_turn_before_them() -> None:
    assert expected_turns(CONVERSATION) == [[FIVE, BALANCE], [TWO]]


def test_results_go_back_until_a_turn_ends_without_calls() -> None:
    record, prompts = held(calls(FIVE), calls(BALANCE), DONE, calls(TWO), DONE)
    assert record["turns"] == [[list(FIVE), list(BALANCE)], [list(TWO)]]
    assert [message["role"] for message in record["messages"]] == [
        *("user", "assistant", "tool", "assistant", "tool", "assistant"),
        *("user", "assistant", "tool", "assistant"),
    ]
    assert [message["content"] for message in record["messages"] if message["role"] == "tool"] == ["null", "5", "null"]
    for message in record["messages"]:
        if message["role"] == "tool":
            before = record["messages"][record["messages"].index(message) - 1]
            assert message["tool_call_id"] == before["tool_calls"][0]["id"]
    for prompt in prompts:
        assert prompt == record["messages"][: len(prompt)]
    assert turns_right(record) == [True, True]


@pytest.mark.parametrize(
    ("replies", "right"),
    [
        # Another way to the same state and results, and a call more that changes nothing.
        (
            [
                calls(("deposit", '{"amount": 2}'), ("deposit", '{"amount": 3}'), BALANCE),
                DONE,
                calls(BALANCE, TWO),
                DONE,
            ],
            [1, 1],
        ),
        # The balance was never asked for: the state is right and a result is missing.
        ([calls(FIVE), DONE, calls(TWO), DONE], [0, 1]),
        # Too much in the first turn is too much in the second.
        ([calls(FIVE, BALANCE, TWO), DONE, calls(TWO), DONE], [0, 0]),
        # A mistake that the second turn makes good.
        ([calls(FIVE, BALANCE, TWO), DONE, DONE], [0, 1]),
        # Errors of tools change nothing, and the model may mend them.
        (
            [calls(("deposit", "{}"), ("steal", "{}"), ("deposit", "{")), calls(FIVE, BALANCE), DONE, calls(TWO), DONE],
            [1, 1],
        ),
        ([DONE, DONE], [0, 0]),
    ],
)
def test_states_and_results_decide(replies: list[Reply], right: list[int]) -> None:
    record, _ = held(*replies)
    assert turns_right(record) == [bool(each) for each in right]


def test_a_failed_request_ends_the_conversation_and_its_turn_is_wrong() -> None:
    record, _ = held(calls(FIVE, BALANCE), Reply(error="timeout: none"))
    assert record["error"] == "timeout: none"
    assert turns_right(record) == [False, False]
    record, _ = held(calls(FIVE, BALANCE), DONE, Reply(error="timeout: none"))
    assert turns_right(record) == [True, False]


def test_steps_are_bounded() -> None:
    record, prompts = held(calls(FIVE), calls(BALANCE), calls(BALANCE), max_steps=2)
    assert record["exceeded"]
    assert len(prompts) == 3
    assert turns_right(record) == [False, False]
    record, _ = held(calls(FIVE), calls(BALANCE), DONE, calls(TWO), DONE, max_steps=2)
    assert not record["exceeded"]


def test_an_initial_state_is_that_of_both_sides() -> None:
    rich = CONVERSATION.model_copy(update={"meta": {"initial_state": 100}})
    record, _ = held(calls(FIVE), calls(BALANCE), DONE, calls(TWO), DONE)
    assert all(turn.right for turn in score_dialogue(rich, record, make))


def test_totals_count_conversations_and_turns() -> None:
    records = [
        held(calls(FIVE, BALANCE), DONE, calls(TWO), DONE)[0],
        held(calls(FIVE), DONE, calls(TWO), DONE)[0],
        held(Reply(error="timeout: none"))[0],
        held(calls(FIVE), calls(FIVE), max_steps=1)[0],
    ]
    totals = dialogue_totals(
        [Dialogue(CONVERSATION, record, score_dialogue(CONVERSATION, record, make)) for record in records]
    )
    assert (totals.conversations, totals.failed, totals.too_long) == (4, 1, 1)
    counts = {name: (share.count, share.n) for name, share in totals.shares.items()}
    assert counts == {"conversations_right": (1, 4), "final_state": (2, 4), "turns_right": (3, 8)}
