"""Conversations to ids and loss mask, through the same renderer as serving."""

from __future__ import annotations

from collections.abc import Sequence

from octupus.chat.registry import ModelChat
from octupus.chat.render import Rendered, render_all
from octupus.conversation import Conversation
from octupus.data.reasons import Problem, Reason


def tokenise(conversations: Sequence[Conversation], chat: ModelChat, token_budget: int) -> list[Rendered | Problem]:
    """Each conversation's ids and which are trained, or why it cannot be trained on."""
    return [_checked(rendered, token_budget) for rendered in render_all(conversations, chat.dialect, chat.tokenizer)]


def _checked(rendered: Rendered, token_budget: int) -> Rendered | Problem:
    if len(rendered.ids) > token_budget:
        return Reason.TOO_LONG, f"{len(rendered.ids)} tokens are more than token_budget {token_budget}"
    if not any(rendered.trained):
        return Reason.NO_ASSISTANT, "no token would be trained"
    return rendered
