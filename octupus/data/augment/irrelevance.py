"""The true tool taken away: the assistant says that it has none for the request, and the dialogue ends there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from octupus.conversation import Conversation, Message, Tool
from octupus.data.augment.common import alike, augmented, called_names, first_call, random_for, written_language
from octupus.data.augment.distractors import choose_distractors

NAME: Final = "irrelevance"
TOOLS_FROM_POOL = 3

REFUSALS = {
    "en": (
        "None of the tools I have can do that, so I can't help with this request.",
        "I'm sorry, but I don't have a tool for that.",
        "Unfortunately, the tools available to me don't cover this request.",
        "I can't do that here: none of my tools is made for it.",
        "That's outside what my tools can do, I'm afraid.",
        "I looked through the tools I have, and none of them fits what you're asking for.",
        "Sorry, I have no tool that would let me do this.",
        "I'm not able to help with that, because no tool for it is available to me.",
        "I don't have access to a tool that handles this kind of request.",
        "This isn't something I can do with the tools I've been given.",
        "I would need a different tool for that, and I don't have one at the moment.",
        "My tools are for other things, so I can't carry out this request.",
        "There is no suitable tool available for this, so I can't give you a reliable answer.",
        "I'm afraid I can't do this one: the tools I can use serve other purposes.",
        "None of the available functions matches your request, so there is nothing I can call for it.",
        "I can't answer that with the tools at hand. If there is something else you need, let me know.",
    ),
    "zh": (
        "抱歉，我没有可以完成这项任务的工具。",
        "很抱歉，我现有的工具都不支持这个请求。",
        "不好意思，目前没有合适的工具可以处理您的请求。",
        "我看了一下可用的工具，没有一个适合完成这件事。",
        "这超出了我现有工具的能力范围，暂时帮不了您。",
        "抱歉，我手头的工具做不到这一点。",
        "目前可用的工具都不是用来做这个的，所以我无法完成您的请求。",
        "要完成这件事需要其他工具，而我现在没有。",
        "很遗憾，我无法处理这个请求，因为没有相应的工具可用。",
        "我这里没有能做这件事的工具，没法给您可靠的结果。",
        "现有的工具都与您的需求不符，因此我无法执行这项操作。",
        "对不起，这件事我暂时办不到：我能使用的工具都是其他用途的。",
        "我没有找到适用的工具，所以不能帮您完成这项任务。",
        "可用的函数里没有能满足这个需求的，恐怕我帮不上忙。",
        "抱歉，凭我现在的工具无法做到。如果您还有别的需要，请告诉我。",
        "这个请求没有对应的工具可以调用，我没办法为您处理。",
    ),
}


def applies(conversation: Conversation) -> bool:
    """Whether the dialogue begins with a call, in a language that refusals are written in."""
    return first_call(conversation) is not None and written_language(conversation) is not None


def irrelevance(conversation: Conversation, seed: int, pool: Sequence[Tool] = ()) -> Conversation | None:
    """The first request without every tool that its answer calls, and without their like; refused.

    When no tool is left, some of the pool stand in. None when that does not help either, or a text in front of the
    call names a tool that is taken away.
    """
    position = first_call(conversation)
    written = written_language(conversation)
    if position is None or written is None:
        return None
    following = (place for place, message in enumerate(conversation.messages) if message.role == "user")
    end = next((place for place in following if place > position), len(conversation.messages))
    names = called_names(conversation.messages[position:end])
    kept = conversation.messages[:position]
    if any(name in (message.content or "") for name in names for message in kept):
        return None
    taken = [tool for tool in conversation.tools if tool.function.name in names]
    tools: Sequence[Tool] = [tool for tool in conversation.tools if not any(alike(tool, each) for each in taken)]
    random = random_for(seed, NAME, conversation.id)
    if not tools:
        tools = choose_distractors(conversation, pool, random, random.randint(1, TOOLS_FROM_POOL))
    if not tools:
        return None
    refusal = Message(role="assistant", content=random.choice(REFUSALS[written]))
    loss = [False] * position + [True]
    return augmented(conversation, NAME, conversation.id, [*kept, refusal], tools, loss)
