"""Conversations to ids and loss mask, through the same renderer as serving."""

from __future__ import annotations

from octupus.chat.registry import ModelChat
from octupus.chat.render import Rendered, render
from octupus.conversation import Conversation
from octupus.data.reasons import Problem, Reason


def tokenise(conversation: Conversation, chat: ModelChat, token_budget: int) -> Rendered | Problem:
    """The conversation's ids and which are trained, or why it cannot be trained on."""
    rendered = render(conversation, chat.dialect, chat.tokenizer)
    if len(rendered.ids) > token_budget:
        return Reason.TOO_LONG, f"{len(rendered.ids)} tokens are more than token_budget {token_budget}"
    if not any(rendered.trained):
        return Reason.NO_ASSISTANT, "no token would be trained"
    return rendered
