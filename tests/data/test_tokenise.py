"""Tokenising: what is trained, what is too long."""

from __future__ import annotations

from pathlib import Path

import pytest

from octupus.chat.registry import ModelChat, model_chat
from octupus.chat.render import Rendered, render
from octupus.conversation import Conversation, Message
from octupus.data.reasons import Reason
from octupus.data.tokenise import tokenise


@pytest.fixture
def chat(tokenizer_directory: Path) -> ModelChat:
    return model_chat(tokenizer_directory)


def conversation(loss: tuple[bool, ...] = ()) -> Conversation:
    messages = (Message(role="user", content="What?"), Message(role="assistant", content="<|USER|> is text here."))
    return Conversation(messages=messages, loss=loss)


def test_the_renderer_of_serving_is_used(chat: ModelChat) -> None:
    (rendered,) = tokenise([conversation()], chat, 100)
    assert rendered == render(conversation(), chat.dialect, chat.tokenizer)


def test_the_budget_is_inclusive(chat: ModelChat) -> None:
    length = len(render(conversation(), chat.dialect, chat.tokenizer).ids)
    assert isinstance(tokenise([conversation()], chat, length)[0], Rendered)
    too_long = Reason.TOO_LONG, f"{length} tokens are more than token_budget {length - 1}"
    assert tokenise([conversation()], chat, length - 1) == [too_long]


def test_nothing_trained_is_dropped(chat: ModelChat) -> None:
    assert tokenise([conversation(loss=(False, False))], chat, 100) == [
        (Reason.NO_ASSISTANT, "no token would be trained")
    ]
