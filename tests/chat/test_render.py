"""The octupus dialect: golden ids and masks, and a model that lacks its control tokens."""

from pathlib import Path

import pytest

from octupus.chat.octupus import OCTUPUS
from octupus.chat.registry import model_chat
from octupus.chat.render import render
from octupus.chat.tokenizer import ChatTokenizer
from octupus.conversation import Conversation, FunctionCall, FunctionDefinition, Message, Tool, ToolCall
from octupus.errors import VocabularyError
from tests.conftest import write_tokenizer

WEATHER = Tool(function=FunctionDefinition(name="get_weather", description="Weather of a city."))
CALL = ToolCall(id="call_0", function=FunctionCall(name="get_weather", arguments='{"city": "Paris"}'))
CONVERSATION = Conversation(
    messages=(
        Message(role="system", content="Be brief."),
        Message(role="user", content="Weather in Paris?"),
        Message(role="assistant", content="I look.", tool_calls=(CALL,)),
        Message(role="tool", content='{"sky": "clear"}', tool_call_id="call_0"),
        Message(role="assistant", content="Clear."),
    ),
    tools=(WEATHER,),
)


def test_a_whole_conversation_spelled_out(tokenizer: ChatTokenizer) -> None:
    rendered = render(CONVERSATION, OCTUPUS, tokenizer)
    assert tokenizer.decode(rendered.ids) == (
        "<|SYSTEM|>Be brief.\n\nTools:\n"
        '{"name": "get_weather", "description": "Weather of a city.", '
        '"parameters": {"type": "object", "properties": {}}}'
        "<|USER|>Weather in Paris?"
        "<|ASSISTANT|><|CONTENT|>I look."
        '<|FUNCTION_CALL|>get_weather<|PARAMETERS|>{"city": "Paris"}<|im_end|>'
        '<|FUNCTION_OUTPUT|>{"sky": "clear"}'
        "<|ASSISTANT|><|CONTENT|>Clear.<|im_end|>"
    )
    trained = [token for token, is_trained in zip(rendered.ids, rendered.trained, strict=True) if is_trained]
    assert tokenizer.decode(trained) == (
        '<|CONTENT|>I look.<|FUNCTION_CALL|>get_weather<|PARAMETERS|>{"city": "Paris"}<|im_end|>'
        "<|CONTENT|>Clear.<|im_end|>"
    )


def test_golden_ids_and_mask(tokenizer: ChatTokenizer) -> None:
    control = tokenizer.special_tokens
    conversation = Conversation(
        messages=(Message(role="user", content="ab"), Message(role="assistant", content="c")), loss=(False, True)
    )
    rendered = render(conversation, OCTUPUS, tokenizer)
    assert rendered.ids == [
        *(control["<|USER|>"], *tokenizer.encode("ab")),
        *(control["<|ASSISTANT|>"], control["<|CONTENT|>"], *tokenizer.encode("c"), control["<|im_end|>"]),
    ]
    assert rendered.trained == [False] * (1 + len(tokenizer.encode("ab")) + 1) + [True, True, True]


def test_untrained_messages_and_generation_prompt(tokenizer: ChatTokenizer) -> None:
    masked = CONVERSATION.model_copy(update={"loss": (False, False, False, False, True)})
    rendered = render(masked, OCTUPUS, tokenizer)
    assert tokenizer.decode(
        [token for token, trained in zip(rendered.ids, rendered.trained, strict=True) if trained]
    ) == ("<|CONTENT|>Clear.<|im_end|>")
    prompt = CONVERSATION.model_copy(update={"messages": CONVERSATION.messages[:2]})
    assert render(prompt, OCTUPUS, tokenizer, generation_prompt=True).ids[-1] == tokenizer.control_id("<|ASSISTANT|>")


def test_a_model_without_control_tokens_is_named_with_the_way_out(tmp_path: Path) -> None:
    directory = write_tokenizer(tmp_path / "base", control_tokens=False)
    with pytest.raises(VocabularyError, match=r"lacks the control tokens <\|SYSTEM\|>.*jobs/edit_tokenizer.py"):
        model_chat(directory)
    with pytest.raises(VocabularyError, match="does not exist"):
        model_chat(tmp_path / "missing")
