"""The same tools in another order, so that their place tells nothing."""

from __future__ import annotations

from typing import Final

from octupus.conversation import Conversation
from octupus.data.augment.common import augmented, random_for

NAME: Final = "tool_order"


def applies(conversation: Conversation) -> bool:
    """Whether there is another order."""
    return len(conversation.tools) > 1


def tool_order(conversation: Conversation, seed: int) -> Conversation | None:
    """The conversation with its tools in another order; None when there is none."""
    if not applies(conversation):
        return None
    random = random_for(seed, NAME, conversation.id)
    tools = list(conversation.tools)
    random.shuffle(tools)
    if tuple(tools) == conversation.tools:
        tools = [*tools[1:], tools[0]]
    return augmented(conversation, NAME, conversation.id, tools=tools)
