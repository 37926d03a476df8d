"""What beyond correctness a conversation should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from octupus.conversation import Conversation, FunctionCall, Message, ToolCall
from octupus.data.quality import QualityConfig, assess
from octupus.data.reasons import Reason
from octupus.data.sources import alpaca, sharegpt
from octupus.data.sources.openai_messages import convert_messages
from tests.chat_strategies import conversations, hostile_text

DEFAULT = QualityConfig()
EN_ZH = QualityConfig(languages=("en", "zh"))


def chat(*contents: str, **fields: Any) -> Conversation:
    roles = ("user", "assistant")
    messages = [Message(role=roles[place % 2], content=content) for place, content in enumerate(contents)]
    return Conversation(messages=tuple(messages), **fields)


def kept(conversation: Conversation, config: QualityConfig = DEFAULT) -> Conversation:
    outcome = assess(conversation, config)
    assert isinstance(outcome, Conversation), outcome
    return outcome


def reason(conversation: Conversation, config: QualityConfig) -> Reason:
    outcome = assess(conversation, config)
    assert isinstance(outcome, tuple)
    assert outcome[1]
    return outcome[0]


MADE_UP = Conversation(
    messages=(
        Message(role="user", content="What is the weather?"),
        Message(
            role="assistant",
            tool_calls=(ToolCall(id="a", function=FunctionCall(name="f", arguments='{"city": "Rome"}')),),
        ),
        Message(role="tool", content="sunny", tool_call_id="a"),
        Message(role="assistant", content="It is sunny."),
    )
)
REFUSED = chat("Is it nice?", "I'm sorry, but as an AI language model, I do not have opinions.", "Why?", "It is so.")


def test_good_conversations_get_a_language_only() -> None:
    conversation = chat("What is it?", "It is a cat.", flags=("cut_x",))
    assert kept(conversation, EN_ZH) == conversation.model_copy(update={"language": "en"})


def test_languages() -> None:
    assert reason(chat("Wie ist das Wetter?", "Das Wetter ist schön."), EN_ZH) == Reason.LANGUAGE
    assert kept(chat("Wie ist das Wetter?", "Das Wetter ist schön.")).language == "de"
    assert kept(chat("1 + 1?", "2"), EN_ZH).language == "und", "a sum is in every language"


@pytest.mark.parametrize(
    ("declared", "flags"),
    [
        ("English", ()),
        ("en-US", ()),
        ("Chinese", ("language_disagrees",)),
        ("zh_CN", ("language_disagrees",)),
        ("Latin", ()),
        ("", ()),
        (None, ()),
        (7, ()),
    ],
)
def test_declared_languages_are_only_compared(declared: Any, flags: tuple[str, ...]) -> None:
    assert kept(chat("What is it?", "It is a cat.", meta={"declared_language": declared}), EN_ZH).flags == flags


def test_toxic_and_redacted() -> None:
    conversation = chat("What?", "That.", meta={"toxic": True, "redacted": True})
    assert reason(conversation, DEFAULT) == Reason.TOXIC
    assert kept(conversation, QualityConfig(toxic="keep")).flags == ("toxic", "redacted")
    assert kept(chat("What?", "That.", meta={"toxic": False, "redacted": False})).flags == ()


def test_personal_data() -> None:
    conversation = chat("Write to kim@mailbox.org", "Done, and to 93.184.77.12 and kim@mailbox.org.")
    assert kept(conversation).flags == ("pii_email", "pii_ip")
    assert kept(conversation, QualityConfig(personal_data="keep")).flags == ()
    outcome = assess(conversation, QualityConfig(personal_data="drop"))
    assert outcome == (Reason.PII, "holds what looks like email, ip"), "the detail must not repeat the data"


def test_personal_data_in_calls() -> None:
    function = FunctionCall(name="f", arguments='{"to": "kim@mailbox.org"}')
    calling = Message(role="assistant", tool_calls=(ToolCall(id="a", function=function),))
    conversation = MADE_UP.model_copy(update={"messages": (MADE_UP.messages[0], calling)})
    assert "pii_email" in kept(conversation).flags


def test_ungrounded_calls() -> None:
    assert kept(MADE_UP).flags == ("ungrounded",)
    assert kept(MADE_UP).loss == ()
    assert kept(MADE_UP, QualityConfig(ungrounded="keep")).flags == ()
    masked = kept(MADE_UP, QualityConfig(ungrounded="mask"))
    assert masked.loss == (False, False, False, True)
    assert masked.flags == ("ungrounded", "masked")
    assert reason(MADE_UP, QualityConfig(ungrounded="drop")) == Reason.UNGROUNDED
    alone = MADE_UP.model_copy(update={"messages": MADE_UP.messages[:2]})
    assert reason(alone, QualityConfig(ungrounded="mask")) == Reason.NO_ASSISTANT


def test_refusals() -> None:
    assert kept(REFUSED).flags == ("refusal",)
    assert kept(REFUSED, QualityConfig(refusals="keep")).flags == ()
    assert kept(REFUSED, QualityConfig(refusals="mask")).loss == (False, False, False, True)
    assert kept(REFUSED.model_copy(update={"loss": (False, False, False, True)})).flags == ()


@pytest.mark.parametrize(
    ("answer", "refuses"),
    [
        ("As an AI, I don't have feelings.", True),
        ("I'm just an AI assistant and I cannot do that", True),
        ("I am an AI language model, so I am not able to help.", True),
        ("很抱歉，作为一个人工智能，我无法执行点外卖这样的外部任务。", True),
        ("我是一个人工智能助手，没有实体形态。", True),
        ("作为语言模型，我不能预测未来。", True),
        ("As an AI assistant developed by octupus, I can help.", False),
        ("She works as an AI researcher.", False),
        ("作为一个城市，北京没有海。", False),
        ("I'm sorry, but I don't have a tool for that.", False),
    ],
)
def test_stock_refusals(answer: str, refuses: bool) -> None:
    assert ("refusal" in kept(chat("?", answer)).flags) == refuses


@given(conversations(hostile_text))
@settings(max_examples=60, deadline=None)
def test_assessing_twice_changes_nothing(conversation: Conversation) -> None:
    config = QualityConfig(ungrounded="mask", refusals="mask")
    first = assess(conversation, config)
    if isinstance(first, Conversation):
        second = assess(first, config)
        assert isinstance(second, Conversation)
        assert second.loss == first.loss
        assert second.messages == conversation.messages


@pytest.mark.parametrize(
    "name", ["alpaca_en_demo", "alpaca_zh_demo", "glaive_toolcall_en_demo", "glaive_toolcall_zh_demo", "identity"]
)
def test_every_english_and_chinese_row_is_kept(shared: Callable[[str], Path], name: str) -> None:
    convert = sharegpt.convert if name.startswith("glaive") else alpaca.convert
    for row in json.loads(shared(f"corpora/llamafactory/{name}.json").read_text("utf-8")):
        kept(convert(row), EN_ZH)


def test_wildchat_samples(shared: Callable[[str], Path]) -> None:
    """The fourth is marked as toxic; the fifth is no sentences of any language, whatever it declares."""
    lines = shared("corpora/samples/wildchat_1m.jsonl").read_text("utf-8").splitlines()
    outcomes: list[Any] = []
    for line in lines:
        row = json.loads(line)
        meta = {"toxic": row["toxic"], "redacted": row["redacted"], "declared_language": row["language"]}
        conversation = convert_messages(row["conversation"], None).model_copy(update={"meta": meta})
        outcome = assess(conversation, EN_ZH)
        outcomes.append(outcome.language if isinstance(outcome, Conversation) else outcome[0])
    assert outcomes[0] == outcomes[1] == "en"
    assert outcomes[3:] == [Reason.TOXIC, Reason.LANGUAGE]
