"""One row at a time, from its JSON to its ids."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from octupus.chat.registry import ModelChat, model_chat
from octupus.chat.render import render
from octupus.conversation import Conversation
from octupus.data.contamination import EvaluationIndex
from octupus.data.examine import EXCERPT_CHARACTERS, Dropped, Kept, Rules, examine, examine_rows, writable
from octupus.data.quality import QualityConfig
from octupus.data.reasons import Reason, Stage
from octupus.data.sources import oasst, openai_messages
from octupus.data.sources.reader import RawRow
from octupus.data.sources.registry import Convert
from octupus.errors import ConversionError
from tests.data.dialogues import called, conversation, result, said, tool, user
from tests.data.format_rows import ROWS

LONG = "word " * 60


@pytest.fixture(scope="module")
def rules(tokenizer_directory: Path) -> Rules:
    return Rules(str(tokenizer_directory), 100_000, False, QualityConfig(), None)


@pytest.fixture(scope="module")
def chat(tokenizer_directory: Path) -> ModelChat:
    return model_chat(tokenizer_directory)


def examined(value: Any, rules: Rules, convert: Convert = openai_messages.convert) -> list[Kept | Dropped]:
    return examine_rows([RawRow(7, value, json.dumps(value))], convert, rules)


def examine_one(dialogue: Conversation, rules: Rules) -> Kept | tuple[Stage, Any]:
    return examine([dialogue], rules)[0]


def kept(outcome: Kept | Dropped | tuple[Stage, Any]) -> Kept:
    assert isinstance(outcome, Kept), outcome
    return outcome


def dropped(outcome: Kept | Dropped) -> tuple[Stage, Reason]:
    assert isinstance(outcome, Dropped)
    assert outcome.detail
    return outcome.stage, outcome.reason


def messages(*texts: str) -> dict[str, Any]:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[number % 2], "content": text} for number, text in enumerate(texts)]}


def test_a_good_row_is_rendered_as_serving_does(rules: Rules, chat: ModelChat) -> None:
    (outcome,) = map(kept, examined(ROWS["openai_messages"], rules))
    assert (outcome.conversation.row, outcome.conversation.part) == (7, 0)
    assert outcome.conversation.language == "en"
    assert outcome.rendered == render(outcome.conversation, chat.dialect, chat.tokenizer)


def test_several_conversations_of_a_row_are_its_parts(rules: Rules) -> None:
    outcomes = examined(ROWS["oasst"], rules, oasst.convert)
    assert [kept(each).conversation.part for each in outcomes] == [0, 1]
    assert {kept(each).conversation.row for each in outcomes} == {7}


def test_one_part_may_be_dropped_and_another_kept(rules: Rules) -> None:
    parts = (conversation(user(""), said()), conversation(user(), said()), conversation(user()))
    outcomes = examined({}, rules, lambda row: parts)
    assert [isinstance(each, Kept) for each in outcomes] == [False, True, False]
    assert dropped(outcomes[0]) == (Stage.STRUCTURE, Reason.EMPTY_USER)
    assert [each.part for each in outcomes if isinstance(each, Dropped)] == [0, 2]
    assert kept(outcomes[1]).conversation.part == 1


# Loss masks


def test_the_loss_mask_decides_what_is_trained(rules: Rules, chat: ModelChat) -> None:
    row = messages("first question", "first answer", "second question", "second answer")
    row["messages"][1]["weight"] = 0
    (outcome,) = map(kept, examined(row, rules))
    assert outcome.conversation.loss == (False, False, False, True)
    trained = [token for token, mask in zip(outcome.rendered.ids, outcome.rendered.trained, strict=True) if mask]
    text = chat.tokenizer.decode(trained)
    assert "second answer" in text
    assert "first" not in text
    assert "question" not in text


def test_a_masked_call_is_read_but_not_trained(rules: Rules, chat: ModelChat) -> None:
    wrong = called("a", arguments='{"city": "Paris"}')
    dialogue = conversation(user(), wrong, result("a", "unknown"), called("b"), result("b"), said("done"))
    outcome = kept(examine_one(dialogue, rules))
    ids, mask = outcome.rendered.ids, outcome.rendered.trained
    assert "masked_schema_error" in outcome.conversation.flags
    assert "Paris" in chat.tokenizer.decode(ids)
    trained = chat.tokenizer.decode([token for token, each in zip(ids, mask, strict=True) if each])
    assert "Paris" not in trained
    assert "Rome" in trained
    assert "done" in trained


# Too long


def lengths(dialogue: Conversation, chat: ModelChat) -> list[int]:
    """Tokens of the conversation up to each assistant message."""
    return [
        len(
            render(
                dialogue.model_copy(update={"messages": dialogue.messages[: end + 1]}), chat.dialect, chat.tokenizer
            ).ids
        )
        for end, message in enumerate(dialogue.messages)
        if message.role == "assistant"
    ]


def test_long_conversations_are_dropped_or_cut(rules: Rules, chat: ModelChat) -> None:
    dialogue = conversation(user("a"), called("x"), result("x"), said("b"), user(LONG), said("c"), user("d"), said("e"))
    call, first, second, whole = lengths(dialogue, chat)
    for budget, cut, ends in (
        (whole, True, 8),
        (whole - 1, True, 6),
        (second - 1, True, 4),
        (first - 1, True, 2),
        (call - 1, True, None),
        (whole, False, 8),
        (whole - 1, False, None),
    ):
        outcome = examine_one(dialogue, dataclasses.replace(rules, token_budget=budget, cut_long=cut))
        if ends is None:
            assert outcome == (
                Stage.TOKENISE,
                (Reason.TOO_LONG, f"{whole} tokens are more than token_budget {budget}"),
            )
            continue
        made = kept(outcome)
        assert made.conversation.messages == dialogue.messages[:ends]
        assert ("cut_too_long" in made.conversation.flags) == (ends < 8)
        assert made.rendered == render(made.conversation, chat.dialect, chat.tokenizer)
        assert len(made.rendered.ids) <= budget


def test_a_cut_leaves_something_to_train_or_nothing(rules: Rules, chat: ModelChat) -> None:
    dialogue = conversation(user("a"), said("b"), user(LONG), said("c"), loss=(False, False, False, True))
    budget = lengths(dialogue, chat)[1] - 1
    outcome = examine_one(dialogue, dataclasses.replace(rules, token_budget=budget, cut_long=True))
    assert isinstance(outcome, tuple)
    assert (outcome[0], outcome[1][0]) == (Stage.TOKENISE, Reason.TOO_LONG)


def test_unanswered_calls_of_a_cut_turn_fall_away_with_it(rules: Rules, chat: ModelChat) -> None:
    """A cut never leaves the results of a call without the answer that follows."""
    dialogue = conversation(user("a"), said("b"), user("c"), called("x"), result("x", LONG), said("d"))
    budget = lengths(dialogue, chat)[2] - 1
    made = kept(examine_one(dialogue, dataclasses.replace(rules, token_budget=budget, cut_long=True)))
    assert made.conversation.messages == dialogue.messages[:4]


# Dropped, stage by stage


@pytest.mark.parametrize(
    ("value", "stage", "reason"),
    [
        (3, Stage.CONVERT, Reason.WRONG_SHAPE),
        ({}, Stage.CONVERT, Reason.WRONG_SHAPE),
        (messages("a"), Stage.STRUCTURE, Reason.NO_ASSISTANT),
        (messages("a", ""), Stage.STRUCTURE, Reason.EMPTY_ASSISTANT),
        (
            messages("你好", "你好。") | {"tools": [{"name": "f", "parameters": {"$ref": "x"}}]},
            Stage.SCHEMA,
            Reason.BAD_SCHEMA,
        ),
        (messages("Hello my friend, how are you?", "I am fine."), Stage.QUALITY, Reason.LANGUAGE),
    ],
)
def test_each_drop_names_its_stage(rules: Rules, value: Any, stage: Stage, reason: Reason) -> None:
    chinese = dataclasses.replace(rules, quality=QualityConfig(languages=("zh",)))
    (outcome,) = examined(value, chinese)
    assert dropped(outcome) == (stage, reason)


def test_a_broken_line(rules: Rules) -> None:
    raw = RawRow(3, None, "{" + "\ud800" * 300, "c.json:4:1: broken")
    (outcome,) = examine_rows([raw], openai_messages.convert, rules)
    assert dropped(outcome) == (Stage.READ, Reason.BROKEN_JSON)
    assert isinstance(outcome, Dropped)
    assert (outcome.row, outcome.detail) == (3, "c.json:4:1: broken")
    assert outcome.excerpt == writable("{" + "\ud800" * (EXCERPT_CHARACTERS - 1))
    outcome.excerpt.encode("utf-8")


def test_what_masks_leave_untrained_is_dropped(rules: Rules) -> None:
    quality = QualityConfig(ungrounded="mask")
    dialogue = conversation(
        user("Where?"),
        called("a", arguments='{"city": "Oslo"}'),
        tools=(tool(schema={"properties": {"city": {"type": "string"}}}),),
    )
    outcome = examine_one(dialogue, dataclasses.replace(rules, quality=quality))
    assert isinstance(outcome, tuple)
    assert (outcome[0], outcome[1][0]) == (Stage.QUALITY, Reason.NO_ASSISTANT)


def test_contamination(rules: Rules) -> None:
    question = "Which of the nine planets of our sun has the longest day of them all?"
    evaluation = EvaluationIndex.build([conversation(user(question), tools=())], "exam.json")
    strict = dataclasses.replace(rules, evaluation=evaluation)
    outcome = examine_one(conversation(user(question.upper()), said("Venus.")), strict)
    assert isinstance(outcome, tuple)
    stage, (reason, detail) = outcome
    assert (stage, reason) == (Stage.CONTAMINATION, Reason.CONTAMINATED)
    assert "exam.json" in detail
    kept(examine_one(conversation(user("Which planet has the longest day?"), said("Venus.")), strict))


# Nesting


@pytest.mark.parametrize("depth", [100, 300, 700, 5000])
@pytest.mark.parametrize("keyword", ["properties", "default"])
def test_deep_tools_have_a_reason(rules: Rules, keyword: str, depth: int) -> None:
    deep: Any = {"type": "object"}
    for _ in range(depth):
        deep = {"type": "object", keyword: {"a": deep}}
    value = {**messages("a", "b"), "tools": [{"name": "f", "parameters": deep}]}
    (outcome,) = examine_rows([RawRow(0, value, "{}")], openai_messages.convert, rules)
    if isinstance(outcome, Dropped):
        assert outcome.reason in (Reason.BAD_SCHEMA, Reason.WRONG_SHAPE, Reason.PARSE_TOOLS)
    assert isinstance(outcome, Kept) == (depth == 100)


@pytest.mark.parametrize("depth", [100, 5000])
def test_deep_arguments_have_a_reason(rules: Rules, depth: int) -> None:
    arguments = '{"a": ' * depth + "1" + "}" * depth
    dialogue = conversation(
        user(), called("x", arguments=arguments), tools=(tool(schema={"additionalProperties": True}),)
    )
    outcome = examine_one(dialogue, rules)
    if depth == 100:
        kept(outcome)
    else:
        assert isinstance(outcome, tuple)
        assert outcome[1][0] == Reason.CALL_PARSE_ERROR


def test_a_converter_without_end_has_a_reason(rules: Rules) -> None:
    def convert(row: dict[str, Any]) -> Conversation:
        return convert(row)

    (outcome,) = examined({}, rules, convert)
    assert dropped(outcome) == (Stage.CONVERT, Reason.WRONG_SHAPE)


def test_half_characters_in_details_are_escaped(rules: Rules) -> None:
    def convert(row: dict[str, Any]) -> Conversation:
        raise ConversionError(Reason.WRONG_SHAPE, "\ud800 is odd")

    (outcome,) = examined({"a": "\ud800"}, rules, convert)
    assert isinstance(outcome, Dropped)
    assert outcome.detail == "\\ud800 is odd"
    (outcome,) = examined(messages("\ud800", "b"), rules)
    assert dropped(outcome) == (Stage.STRUCTURE, Reason.LONE_SURROGATE)
