"""What holds for every dialect: rendering, parsing, mask, layout and template describe the same turns."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from octupus.chat.dialect import END
from octupus.chat.layout import TurnLayout
from octupus.chat.parse import fold
from octupus.chat.registry import ModelChat
from octupus.chat.render import render
from octupus.conversation import Conversation, Message
from tests.chat_strategies import conversations, hostile_text, plain_text

any_text = plain_text | hostile_text


def turns(conversation: Conversation, chat: ModelChat) -> list[tuple[Message, list[int]]]:
    """Each assistant message with the ids a model generates to write it.

    Checks on the way that the whole conversation begins with the prompt of each of these turns, and that exactly
    their ids are trained.
    """
    whole = render(conversation, chat.dialect, chat.tokenizer)
    found = []
    mask = [False] * len(whole.ids)
    for position, message in enumerate(conversation.messages):
        if message.role == "assistant":
            before = conversation.model_copy(update={"messages": conversation.messages[:position]})
            prompt = render(before, chat.dialect, chat.tokenizer, generation_prompt=True).ids
            assert whole.ids[: len(prompt)] == prompt
            end = whole.ids.index(chat.tokenizer.end_id, len(prompt)) + 1
            mask[len(prompt) : end] = [conversation.trained(position)] * (end - len(prompt))
            found.append((message, whole.ids[len(prompt) : end]))
    assert whole.trained == mask
    return found


@settings(max_examples=50)
@given(conversation=conversations(any_text))
def test_what_follows_a_prompt_is_a_turn_that_parses_to_its_message(
    chat: ModelChat, conversation: Conversation
) -> None:
    for message, ids in turns(conversation, chat):
        parser = chat.dialect.parser(chat.tokenizer)
        deltas = [delta for token in ids for delta in parser.push([token])] + parser.finish()
        assert fold(deltas) == message
        assert parser.malformed is None


def spelled(layout: TurnLayout, message: Message, token: Callable[[int | None], str]) -> str:
    """An assistant turn as the layout describes it."""
    text = f"{token(layout.content)}{message.content}" if message.content else ""
    for number, call in enumerate(message.tool_calls):
        name = (
            call.function.name if layout.call_prefix == "" else json.dumps(call.function.name, ensure_ascii=False)[1:-1]
        )
        text += (layout.between if text or number else "") + token(layout.call) + layout.call_prefix + name
        text += layout.call_middle + token(layout.arguments) + " " * layout.arguments_spaced
        text += call.function.arguments + layout.call_suffix + token(layout.call_end)
    return text


@settings(max_examples=50)
@given(conversation=conversations(any_text))
def test_the_layout_describes_the_rendered_turn(chat: ModelChat, conversation: Conversation) -> None:
    def token(token_id: int | None) -> str:
        return "" if token_id is None else chat.tokenizer.decode([token_id])

    for message, ids in turns(conversation, chat):
        turn = spelled(chat.dialect.layout(chat.tokenizer), message, token)
        assert chat.tokenizer.decode(ids) == turn + chat.tokenizer.end_token


@settings(max_examples=50)
@given(conversation=conversations(hostile_text), generation_prompt=st.booleans())
def test_text_never_becomes_a_control_token(
    chat: ModelChat, conversation: Conversation, generation_prompt: bool
) -> None:
    control = set(chat.tokenizer.control_tokens.values())
    rendered = render(conversation, chat.dialect, chat.tokenizer, generation_prompt)
    found = [token for token in rendered.ids if token in control]
    segments = chat.dialect.segments(conversation, chat.tokenizer, generation_prompt)
    structure = [segment.control for segment in segments if segment.control]
    assert found == [chat.tokenizer.end_id if token == END else chat.tokenizer.control_id(token) for token in structure]


@pytest.fixture(scope="module")
def template(chat: ModelChat, directories: dict[str, Path], model: str):  # type: ignore[no-untyped-def]
    """Ids as transformers renders them with the exported template."""
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast.from_pretrained(directories[model])
    fast.chat_template = chat.dialect.chat_template(chat.tokenizer)

    def ids(conversation: Conversation, generation_prompt: bool) -> list[int]:
        return list(
            fast.apply_chat_template(
                [message.to_openai() for message in conversation.messages],
                tools=[tool.model_dump() for tool in conversation.tools] or None,
                add_generation_prompt=generation_prompt,
                tokenize=True,
                return_dict=False,
            )
        )

    return ids


@settings(max_examples=50)
@given(conversation=conversations(plain_text), generation_prompt=st.booleans())
def test_the_exported_template_renders_to_the_same_ids(  # type: ignore[no-untyped-def]
    chat: ModelChat, template, conversation: Conversation, generation_prompt: bool
) -> None:
    # Hermes puts a line break in front of an answer; in one string it would be tokenised with the answer's white space.
    answers = [message.content or "" for message in conversation.messages if message.role == "assistant"]
    assume(not any(answer[:1].isspace() for answer in answers))
    rendered = render(conversation, chat.dialect, chat.tokenizer, generation_prompt)
    assert template(conversation, generation_prompt) == rendered.ids


@settings(max_examples=50)
@given(conversation=conversations(hostile_text))
def test_the_exported_template_cannot_be_forged_either(  # type: ignore[no-untyped-def]
    chat: ModelChat, template, conversation: Conversation
) -> None:
    control = set(chat.tokenizer.control_tokens.values())
    found = [token for token in template(conversation, False) if token in control]
    assert found == [token for token in render(conversation, chat.dialect, chat.tokenizer).ids if token in control]
