"""What is mended, masked, cut and dropped, in this order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from octupus.conversation import Conversation, Message, Tool
from octupus.data.checks import TOOL_NAME, check_calls, check_structure, check_tools
from octupus.data.reasons import Reason, Stage
from octupus.data.repair import flagged, masked, prefix, repair, trains_something
from tests.data.dialogues import (
    called,
    conversation,
    faulty_conversations,
    result,
    said,
    system,
    tool,
    user,
)

ALIKE = ("a b", "a.b", "a_b")


def mended(*messages: Message, tools: tuple[Tool, ...] = (tool(),), **others: Any) -> Conversation:
    outcome = repair(conversation(*messages, tools=tools, **others))
    assert isinstance(outcome, Conversation), outcome
    return outcome


def dropped(*messages: Message, tools: tuple[Tool, ...] = (tool(),), **others: Any) -> tuple[Stage, Reason]:
    outcome = repair(conversation(*messages, tools=tools, **others))
    assert isinstance(outcome, tuple)
    stage, (reason, detail) = outcome
    assert detail
    return stage, reason


def names(made: Conversation) -> list[str]:
    return [each.function.name for each in made.tools]


def calls(made: Conversation) -> list[tuple[str, str]]:
    return [(call.function.name, call.function.arguments) for each in made.messages for call in each.tool_calls]


def test_what_is_good_stays() -> None:
    good = conversation(system(), user(), called("a"), result("a"), said())
    assert repair(good) == good


# Tools


@pytest.mark.parametrize("name", ["a b", "查询天气", "x" * 70, "lab.mix.plan", "Bank's FX/Rates (v2)"])
def test_invalid_names_are_mapped_and_the_map_is_kept(name: str) -> None:
    made = mended(user(), called("a", name=name), tools=(tool(name), tool("g")), meta={"corpus_source": "x"})
    new, other = names(made)
    assert TOOL_NAME.fullmatch(new)
    assert other == "g"
    assert calls(made) == [(new, '{"city": "Rome"}')]
    assert made.flags == ("renamed_tools",)
    assert made.meta == {"corpus_source": "x", "tool_names": {new: name}}


def test_names_that_would_be_the_same_are_told_apart() -> None:
    messages = (user(), *(part for each in ALIKE for part in (called(each, name=each), result(each))), said())
    made = mended(*messages, tools=tuple(map(tool, ALIKE)))
    assert len(set(names(made))) == 3
    assert all(map(TOOL_NAME.fullmatch, names(made)))
    assert [name for name, _ in calls(made)] == names(made)
    originals = made.meta["tool_names"]
    assert [originals.get(name, name) for name in names(made)] == list(ALIKE)
    assert "a_b" not in originals  # a valid name stays


def test_the_same_definition_twice_is_one_tool() -> None:
    made = mended(user(), called("a"), tools=(tool(), tool("g"), tool()))
    assert names(made) == ["f", "g"]
    assert made.flags == ("merged_tools",)


def test_definitions_that_a_repair_makes_equal_are_one_tool() -> None:
    foreign = {"type": "dict", "properties": {"a": {"type": "str"}}, "required": None}
    repaired = {"type": "object", "properties": {"a": {"type": "string"}}}
    made = mended(user(), said(), tools=(tool(schema=foreign), tool(schema=repaired)))
    assert made.tools == (tool(schema=repaired),)


def test_two_tools_of_one_name_are_no_tools_to_learn_from() -> None:
    found = dropped(user(), said(), tools=(tool(), tool(schema={"type": "object", "properties": {}})))
    assert found == (Stage.STRUCTURE, Reason.NAME_DUPLICATE)


@pytest.mark.parametrize("schema", [{"type": "string"}, {"properties": {"a": {"pattern": "("}}}, {"$ref": "#/x"}])
def test_a_schema_beyond_repair(schema: dict[str, Any]) -> None:
    assert dropped(user(), said(), tools=(tool("g", schema),)) == (Stage.SCHEMA, Reason.BAD_SCHEMA)


# Arguments


@pytest.mark.parametrize(
    ("written", "coerced"),
    [
        ('{"city": "rome"}', '{"city": "Rome"}'),
        ('{"city": "Rome", "area": {"side": "2"}}', '{"city": "Rome", "area": {"side": 2}}'),
        ('{"city": "Rome", "area": "{\\"side\\": 2}"}', '{"city": "Rome", "area": {"side": 2}}'),
    ],
)
def test_arguments_of_the_wrong_spelling_are_respelled(written: str, coerced: str) -> None:
    made = mended(user(), called("a", arguments=written))
    assert calls(made) == [("f", coerced)]
    assert made.flags == ("coerced_arguments",)
    assert made.loss == ()


def test_a_lone_item_is_respelled_with_its_array() -> None:
    integers = {"type": "object", "properties": {"area": {"type": "array", "items": {"type": "integer"}}}}
    made = mended(user(), called("a", arguments='{"area": 3.0}'), tools=(tool(schema=integers),))
    assert calls(made) == [("f", '{"area": [3]}')]


def test_the_order_of_arguments_is_the_schemas_and_no_flag() -> None:
    made = mended(user(), called("a", arguments='{"area": {"side": 2}, "city": "Rome"}'))
    assert calls(made) == [("f", '{"city": "Rome", "area": {"side": 2}}')]
    assert made.flags == ()


# Masked


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"city": "Paris"}, Reason.SCHEMA_ERROR),
        ({}, Reason.MISSING_REQUIRED),
        ({"city": "Rome", "planet": "Mars"}, Reason.UNDECLARED_ARGUMENT),
    ],
)
def test_a_wrong_call_is_masked_and_what_follows_is_trained(arguments: dict[str, Any], reason: Reason) -> None:
    wrong = called("a", arguments=json.dumps(arguments))
    good = conversation(user(), wrong, result("a", "error"), called("b"), result("b"), said())
    made = mended(*good.messages)
    assert made.messages == good.messages
    assert made.loss == (False, False, False, True, False, True)
    assert made.flags == (f"masked_{reason}",)
    assert dropped(user(), wrong) == (Stage.SCHEMA, reason)


def test_untrained_turns_may_be_wrong() -> None:
    messages = (user(), called("a", name="unheard_of"), result("a", "no such tool"), called("b"))
    made = mended(*messages, loss=(False, False, False, True))
    assert made.messages == messages
    assert made.flags == ()


# Cut


@pytest.mark.parametrize(
    ("tail", "reason", "stage"),
    [
        ((called("b", name="g"), result("b"), said("made up")), Reason.UNKNOWN_TOOL, Stage.SCHEMA),
        ((called("b", arguments="{"), result("b"), said()), Reason.CALL_PARSE_ERROR, Stage.SCHEMA),
        ((called("b", "c"), result("b"), said()), Reason.TOOL_RESULT_COUNT, Stage.STRUCTURE),
        ((said(), said()), Reason.ROLES_ERROR, Stage.STRUCTURE),
        ((said(""),), Reason.EMPTY_ASSISTANT, Stage.STRUCTURE),
        ((user(" "), said()), Reason.ROLES_ERROR, Stage.STRUCTURE),
        ((said("\ud800"),), Reason.LONE_SURROGATE, Stage.STRUCTURE),
    ],
)
def test_the_conversation_ends_before_what_cannot_be_masked(
    tail: tuple[Message, ...], reason: Reason, stage: Stage
) -> None:
    start = (system(), user(), said("first"))
    made = mended(*start, user("more"), *tail)
    assert made.messages[: len(start)] == start
    assert made.messages[len(start) :] in ((), (user("more"), said()))
    assert made.flags == (f"cut_{reason}",)
    if reason != Reason.ROLES_ERROR:
        assert dropped(user("more"), *tail) == (stage, reason)


def test_an_unanswered_call_behind_a_cut_stays_the_last_message() -> None:
    made = mended(user(), called("a"), result("a"), user(""), said())
    assert made.messages == (user(), called("a"))
    assert made.flags == ("cut_empty_user",)


def test_the_loss_is_cut_with_the_messages() -> None:
    messages = (user(), said("a"), user(), said("b"), user(), said(""))
    assert mended(*messages, loss=(False, True, False, False, False, True)).loss == (False, True, False, False)
    found = dropped(*messages, loss=(False, False, False, False, False, True))
    assert found == (Stage.STRUCTURE, Reason.EMPTY_ASSISTANT)


def test_the_first_mistake_is_the_reason_of_a_drop() -> None:
    messages = (user(" "), said(), user(), called("a", "b"), result("a"), said())
    assert dropped(*messages) == (Stage.STRUCTURE, Reason.EMPTY_USER)


def test_nothing_trained_is_dropped() -> None:
    assert dropped(user(), said(), loss=(False, False)) == (Stage.STRUCTURE, Reason.NO_ASSISTANT)


# The parts


def test_prefix_ends_with_the_assistant() -> None:
    whole = conversation(user(), called("a"), result("a"), said(), loss=(False, True, False, False))
    assert prefix(whole, 4) == whole
    for end in (2, 3):
        shorter = prefix(whole, end)
        assert shorter is not None
        assert (shorter.messages, shorter.loss) == (whole.messages[:2], (False, True))
    assert prefix(whole, 1) is None
    assert prefix(whole, 0) is None


def test_flags_stand_once_and_masks_add_up() -> None:
    dialogue = conversation(user(), said(), user(), said())
    assert flagged(flagged(dialogue, "x"), "x").flags == ("x",)
    once = masked(dialogue, [1])
    assert once.loss == (False, False, False, True)
    assert trains_something(once)
    assert not trains_something(masked(once, [3]))


@given(faulty_conversations())
@settings(max_examples=150, deadline=None)
def test_what_repair_returns_is_right_and_stays(broken: Conversation) -> None:
    outcome = repair(broken)
    if isinstance(outcome, tuple):
        stage, (reason, detail) = outcome
        assert stage in (Stage.STRUCTURE, Stage.SCHEMA)
        assert isinstance(reason, Reason)
        assert detail
        return
    assert check_structure(outcome) is None
    assert check_tools(outcome) is None
    assert trains_something(outcome)
    for finding in check_calls(outcome):
        assert finding.message is not None
        assert not outcome.trained(finding.message)
    assert repair(outcome) == outcome

    # Nothing trained appears that was not there, and the map leads back to the corpus's names.
    assert len(outcome.messages) <= len(broken.messages)
    for position, message in enumerate(outcome.messages):
        assert message.content == broken.messages[position].content
        assert outcome.trained(position) <= broken.trained(position)
    originals = outcome.meta.get("tool_names", {})
    assert {originals.get(name, name) for name in names(outcome)} == {each.function.name for each in broken.tools}


def test_parameters_written_flat_are_wrapped() -> None:
    flat = {"city": {"type": "str", "description": "where"}, "days": {"type": "int, optional", "default": 3}}
    mended = repair(conversation(user(), called("a", arguments='{"city": "Rome"}'), tools=(tool("f", flat),)))
    assert isinstance(mended, Conversation)
    schema = mended.tools[0].function.parameters
    assert schema["type"] == "object"
    assert schema["properties"]["city"]["type"] == "string"
    assert schema["required"] == ["city"]
    assert mended.flags == ()
