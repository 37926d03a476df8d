import json
from typing import Any

import pytest

from octupus.conversation import Conversation, FunctionCall, ToolCall
from octupus.data.reanswer.config import ReanswerConfig
from octupus.data.reanswer.dialogue import Dialogue, DialogueRules, skip_reason, turns_to_answer
from octupus.data.sources.openai_messages import convert
from octupus.endpoint.outcome import Answer, Failure

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def rules(**changes: Any) -> DialogueRules:
    values = {"input": "in.jsonl", "output": "out", "model": "m", "endpoint": {"base_url": "http://x/v1"}} | changes
    return DialogueRules.of(ReanswerConfig.model_validate(values))


def conversation(*turns: Any, tools: bool = False) -> Conversation:
    """Turns as `role: text`, or messages."""
    messages = []
    for turn in turns:
        role, _, text = turn.partition(": ") if isinstance(turn, str) else ("", "", "")
        messages.append({"role": role, "content": text} if role else turn)
    return convert({"messages": messages, "tools": [WEATHER] if tools else []})


def calling(city: str, identity: str = "a") -> dict[str, Any]:
    function = {"name": "weather", "arguments": json.dumps({"city": city})}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": identity, "function": function}]}


def call(arguments: str, identity: str = "new") -> ToolCall:
    return ToolCall(id=identity, function=FunctionCall(name="weather", arguments=arguments))


RESULT = {"role": "tool", "tool_call_id": "a", "content": "sunny"}
TWO_TURNS = ("system: Be kind.", "user: One?", "assistant: old one", "user: Two?", "assistant: old two")


def contents(dialogue: Dialogue) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in dialogue.row()["messages"]]


def test_later_turns_see_the_teachers_own_earlier_answers() -> None:
    dialogue = Dialogue(conversation(*TWO_TURNS), rules())
    assert dialogue.next_turn == 2
    assert [message["content"] for message in dialogue.prompt()] == ["Be kind.", "One?"]
    dialogue.feed(Answer(content="new one"))
    assert dialogue.next_turn == 4
    assert [message["content"] for message in dialogue.prompt()] == ["Be kind.", "One?", "new one", "Two?"]
    dialogue.feed(Answer(content="new two"))
    assert dialogue.next_turn is None
    assert [content for _, content in contents(dialogue)] == ["Be kind.", "One?", "new one", "Two?", "new two"]


def test_the_last_turn_alone_keeps_the_earlier_answers() -> None:
    dialogue = Dialogue(conversation(*TWO_TURNS), rules(turns="last"))
    assert [message["content"] for message in dialogue.prompt()][2] == "old one"
    dialogue.feed(Answer(content="new two"))
    assert [content for _, content in contents(dialogue)] == ["Be kind.", "One?", "old one", "Two?", "new two"]


def test_a_conversation_without_an_answer_gets_one() -> None:
    dialogue = Dialogue(conversation("user: One?"), rules())
    assert dialogue.next_turn == 1
    dialogue.feed(Answer(content="new"))
    assert contents(dialogue) == [("user", "One?"), ("assistant", "new")]


@pytest.mark.parametrize(
    ("changes", "asked", "written"),
    [
        ({}, "Be kind.", "Be kind."),
        ({"system_prompt": "Be brief."}, "Be brief.", "Be brief."),
        (
            {"system_prompt": "Be brief.", "system_prompt_mode": "prepend"},
            "Be brief.\n\nBe kind.",
            "Be brief.\n\nBe kind.",
        ),
        ({"system_prompt": "Be brief.", "write_system_prompt": False}, "Be brief.", "Be kind."),
    ],
)
def test_the_system_prompt(changes: dict[str, Any], asked: str, written: str) -> None:
    dialogue = Dialogue(conversation(*TWO_TURNS[:3]), rules(**changes))
    assert dialogue.prompt()[0] == {"role": "system", "content": asked}
    dialogue.feed(Answer(content="new"))
    assert contents(dialogue) == [("system", written), ("user", "One?"), ("assistant", "new")]


def test_a_system_prompt_is_added_where_there_was_none() -> None:
    dialogue = Dialogue(conversation("user: One?"), rules(system_prompt="Be brief.", system_prompt_mode="prepend"))
    assert dialogue.prompt()[0] == {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        (("user: One?", "assistant: old"), None),
        (("assistant: Hello!", "user: One?", "assistant: old"), "no_prompt"),
        (("user: One?", "assistant: a", "assistant: b"), "no_prompt"),
        (("system: Be kind.",), "no_prompt"),
        (("user: One \ud800?", "assistant: old"), "lone_surrogate"),
        (("user: One?", calling("Rome"), RESULT, "assistant: old"), "tools"),
    ],
)
def test_what_is_skipped(turns: Any, reason: str | None) -> None:
    assert skip_reason(conversation(*turns), rules()) == reason


def test_tools_are_skipped_unless_asked_for() -> None:
    offered = conversation("user: One?", "assistant: old", tools=True)
    assert skip_reason(offered, rules()) == "tools"
    assert skip_reason(offered, rules(tools=True)) is None


def test_equal_calls_take_the_ids_that_the_results_answer() -> None:
    dialogue = Dialogue(
        conversation("user: One?", calling("Rome"), RESULT, "assistant: old", tools=True), rules(tools=True)
    )
    assert dialogue.tools()[0]["function"]["name"] == "weather"
    dialogue.feed(Answer(content=None, tool_calls=(call('{"city":"Rome"}'),)))
    assert dialogue.prompt()[-2]["tool_calls"][0]["id"] == "a"
    assert dialogue.prompt()[-1]["tool_call_id"] == "a"
    dialogue.feed(Answer(content="It is sunny."))
    assert not dialogue.cut
    assert convert(dialogue.row()).messages[-1].content == "It is sunny."


@pytest.mark.parametrize(
    ("turns", "answer"),
    [
        ((calling("Rome"), RESULT, "assistant: old"), Answer(content=None, tool_calls=(call('{"city": "Oslo"}'),))),
        ((calling("Rome"), RESULT, "assistant: old"), Answer(content="I know: sunny.")),
        (("assistant: old", "user: Two?", "assistant: o"), Answer(content=None, tool_calls=(call("{}"),))),
    ],
)
def test_an_answer_that_what_follows_does_not_fit_ends_the_conversation(turns: Any, answer: Answer) -> None:
    dialogue = Dialogue(conversation("user: One?", *turns, tools=True), rules(tools=True))
    dialogue.feed(answer)
    assert dialogue.cut
    assert dialogue.next_turn is None
    row = dialogue.row()
    assert row["meta"]["cut"] == "calls_differ"
    assert [message["role"] for message in row["messages"]] == ["user", "assistant"]


@pytest.mark.parametrize(
    ("outcome", "changes", "failed"),
    [
        (Failure(reason="status_500"), {}, "status_500"),
        (Answer(content="cut o", finish_reason="length"), {}, "length"),
        (Answer(content="cut o", finish_reason="length"), {"on_length": "keep"}, ""),
        (Answer(content="", finish_reason="content_filter"), {}, "content_filter"),
        (Answer(content=" \n"), {}, "empty_answer"),
        (Answer(content="half \ud83d"), {}, "lone_surrogate"),
    ],
)
def test_what_fails(outcome: Any, changes: dict[str, Any], failed: str) -> None:
    dialogue = Dialogue(conversation(*TWO_TURNS), rules(**changes))
    dialogue.feed(outcome)
    assert dialogue.failed == failed
    assert (dialogue.next_turn is None) == bool(failed)


def test_where_it_comes_from_and_what_is_untrained_is_written() -> None:
    untrained = {"role": "assistant", "content": "old one", "weight": 0}
    original = conversation("user: One?", untrained, "user: Two?", "assistant: old").model_copy(
        update={"row": 7, "meta": {"topic": "x"}}
    )
    assert turns_to_answer(original, "all") == [1, 3]
    dialogue = Dialogue(original, rules())
    dialogue.feed(Answer(content="a"))
    dialogue.feed(Answer(content="b", finish_reason="stop"))
    row = dialogue.row()
    assert row["messages"][1] == {"role": "assistant", "content": "a", "weight": 0}
    assert row["meta"] == {
        "topic": "x",
        "teacher": "m",
        "original_id": original.id,
        "row": 7,
        "part": 0,
        "finish_reasons": ["stop", "stop"],
    }
    assert convert(row).loss == (False, False, False, True)
