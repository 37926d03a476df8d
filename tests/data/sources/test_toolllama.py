"""ToolLLaMA's steps: ReAct text as calls, only the last of them trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octupus.data.reasons import Reason
from octupus.data.sources import toolllama
from octupus.data.sources.reader import read_rows
from octupus.errors import ConversionError

TIDE = {
    "name": "high_water",
    "description": "It's the tide desk's.",
    "parameters": {
        "type": "object",
        "properties": {"port": {"type": "string", "example_value": "Oban"}},
        "required": ["port"],
        "optional": [],
    },
}
FINISH = {
    "name": "Finish",
    "description": "give the final answer",
    "parameters": {"type": "object", "properties": {"return_type": {"type": "string"}}, "required": ["return_type"]},
}
CALL = '\nThought: I ask.\nAction: high_water\nAction Input: {\n  "port": "Oban"\n}'
ANSWER = '\nThought: \nAction: Finish\nAction Input: {"return_type": "give_answer"}'
DIVERSITY = "This is not the first time you try this task, all previous trails failed.\nBefore you generate ..."


def row(*turns: tuple[str, str], system: str | None = None) -> dict[str, Any]:
    if system is None:
        system = f"You are AutoGPT.\n{toolllama.TOOLS_MARKER} {[TIDE, FINISH]}"
    given = [("system", system), ("user", "\nWhen is high water?\nBegin!\n"), *turns]
    return {"id": "Step 1: x", "conversations": [{"from": role, "value": value} for role, value in given]}


def test_a_step() -> None:
    value = row(("assistant", CALL), ("function", "06:41"), ("assistant", ANSWER))
    assert toolllama.recognises(value)
    conversation = toolllama.convert(value)
    user, first, result, last = conversation.messages
    assert user.content == "When is high water?"
    assert first.content == "I ask."
    assert first.tool_calls[0].function.arguments == '{"port": "Oban"}'
    assert (result.content, result.tool_call_id) == ("06:41", first.tool_calls[0].id)
    assert last.content is None
    assert last.tool_calls[0].function.name == "Finish"
    assert conversation.loss == (False, False, False, True)
    tide, finish = conversation.tools
    assert tide.function.description == "It's the tide desk's."
    assert tide.function.parameters == {name: inner for name, inner in TIDE["parameters"].items() if name != "optional"}
    assert finish.function.name == "Finish"


def test_the_request_for_another_action_is_left_out() -> None:
    plain = row(("assistant", CALL), ("function", "down"), ("assistant", ANSWER))
    asked = row(("assistant", CALL), ("function", "down"), ("user", DIVERSITY), ("assistant", ANSWER))
    assert toolllama.convert(asked) == toolllama.convert(plain)


def test_a_call_of_no_tool_stays_as_context() -> None:
    wrong = CALL.replace("high_water", "invalid_hallucination_function_name")
    conversation = toolllama.convert(row(("assistant", wrong), ("function", "no such"), ("assistant", CALL)))
    assert conversation.messages[1].tool_calls[0].function.name == "invalid_hallucination_function_name"
    assert conversation.loss == (False, False, False, True)


def test_turns_behind_the_last_assistant_are_no_part_of_the_step() -> None:
    assert len(toolllama.convert(row(("assistant", CALL), ("function", "06:41"))).messages) == 2


def test_an_answer_without_an_action_is_text() -> None:
    conversation = toolllama.convert(row(("assistant", "\nThought: At 06:41.")))
    assert conversation.messages[-1].content == "At 06:41."


def test_labels_inside_thoughts_and_values_are_text() -> None:
    said = '\nThought: I know\nAction: is needed.\nAction: high_water\nAction Input: {"port": "\\nAction: x"}'
    message = toolllama.convert(row(("assistant", said))).messages[-1]
    assert message.content == "I know\nAction: is needed."
    assert message.tool_calls[0].function.arguments == '{"port": "\\nAction: x"}'


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('\nThought: x\nAction: Finish\nAction Input: {"return_type": "give_up_and_restart"}', Reason.GAVE_UP),
        ('\nThought: x\nAction: high_water\nAction Input: {"port": "Oban', Reason.CALL_PARSE_ERROR),
        ('\nThought: x\nAction: high_water\nAction Input: {"port": "a\nb"}', Reason.CALL_PARSE_ERROR),
        ('\nThought: x\nAction: high_water\nAction Input: ["Oban"]', Reason.CALL_PARSE_ERROR),
        ("\nThought: x\nAction: \nAction Input: {}", Reason.CALL_PARSE_ERROR),
        ("\nThought: x\nAction: high_water", Reason.CALL_PARSE_ERROR),
        ("\nThought: x\nAction Input: {}", Reason.CALL_PARSE_ERROR),
    ],
)
def test_a_last_step_that_teaches_nothing(said: str, reason: Reason) -> None:
    with pytest.raises(ConversionError) as caught:
        toolllama.convert(row(("assistant", CALL), ("function", "x"), ("assistant", said)))
    assert caught.value.reason == reason


def test_a_broken_call_in_the_context_drops_the_row() -> None:
    broken = CALL.replace("}", "")
    with pytest.raises(ConversionError) as caught:
        toolllama.convert(row(("assistant", broken), ("function", "x"), ("assistant", ANSWER)))
    assert caught.value.reason == Reason.CALL_PARSE_ERROR


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, Reason.WRONG_SHAPE),
        ({"conversations": []}, Reason.ROLES_ERROR),
        ({"conversations": [{"from": "user", "value": "x"}]}, Reason.ROLES_ERROR),
        (row(("ape", "x"), ("assistant", CALL)), Reason.ROLES_ERROR),
        (row(), Reason.NO_ASSISTANT),
        (row(("assistant", CALL), system="You are AutoGPT."), Reason.PARSE_TOOLS),
        (row(("assistant", CALL), system=toolllama.TOOLS_MARKER + " [open('x')]"), Reason.PARSE_TOOLS),
        (row(("assistant", CALL), system=toolllama.TOOLS_MARKER + " {'name': 'x'}"), Reason.PARSE_TOOLS),
        (row(("assistant", CALL), system=toolllama.TOOLS_MARKER + " [{'name': 3}]"), Reason.PARSE_TOOLS),
    ],
)
def test_what_cannot_be_converted_has_a_reason(value: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(ConversionError) as caught:
        toolllama.convert(value)
    assert caught.value.reason == reason


def test_other_formats_are_not_claimed() -> None:
    assert not toolllama.recognises({"conversations": [{"from": "system", "value": "Be brief."}]})
    assert not toolllama.recognises({"conversations": [{"from": "human", "value": toolllama.TOOLS_MARKER}]})
    assert not toolllama.recognises({"conversations": []})


def test_samples(shared: Callable[[str], Path]) -> None:
    rows = [row.value for row in read_rows(shared("corpora/samples/toolllama_G123_dfs_train.jsonl"))]
    assert all(map(toolllama.recognises, rows))
    outcomes: list[Any] = []
    for value in rows:
        try:
            outcomes.append(toolllama.convert(value).loss)
        except ConversionError as error:
            outcomes.append(error.reason)
    assert outcomes == [
        (),
        (False, False, False, True),
        Reason.GAVE_UP,
        (False, False, False, True),
        Reason.CALL_PARSE_ERROR,
    ]
