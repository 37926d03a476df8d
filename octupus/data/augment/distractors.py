"""Tools of other conversations added, which the request has no use for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Final

from octupus.conversation import Conversation, Tool, json_text
from octupus.data.augment.common import alike, augmented, called_names, random_for, stems

NAME: Final = "distractors"
_DRAWS_A_TOOL = 4
"""How many tools of the pool are looked at for each that is wanted, so that a pool of near twins costs no time."""


def tool_pool(tools: Iterable[Tool]) -> tuple[Tool, ...]:
    """The tools that have a description, each once, in an order that does not depend on theirs."""
    described = {json_text(tool.model_dump(), sort_keys=True): tool for tool in tools if tool.function.description}
    return tuple(described[text] for text in sorted(described))


def applies(conversation: Conversation) -> bool:
    """Whether tools are called; where none is, an added one might be the very tool that was missing."""
    return bool(called_names(conversation.messages))


def distractors(conversation: Conversation, pool: Sequence[Tool], seed: int, maximum: int) -> Conversation | None:
    """The conversation with one to `maximum` tools of the pool among its own, whose order stays.

    `pool` is of `tool_pool`. None when nothing is called or no tool of the pool fits.
    """
    if not applies(conversation):
        return None
    random = random_for(seed, NAME, conversation.id)
    tools = list(conversation.tools)
    for tool in choose_distractors(conversation, pool, random, random.randint(1, maximum)):
        tools.insert(random.randint(0, len(tools)), tool)
    if len(tools) == len(conversation.tools):
        return None
    return augmented(conversation, NAME, conversation.id, tools=tools)


def choose_distractors(conversation: Conversation, pool: Sequence[Tool], random: Random, count: int) -> list[Tool]:
    """At most `count` tools of the pool that are unlike the conversation's and each other, and of other subjects.

    A tool whose name has a word that the user said, or whose description has two, is left out: it might be of use.
    """
    said = stems("\n".join(message.content or "" for message in conversation.messages if message.role == "user"))
    chosen: list[Tool] = []
    for _ in range(_DRAWS_A_TOOL * count if pool else 0):
        tool = random.choice(pool)
        of_use = stems(tool.function.name) & said or len(stems(tool.function.description) & said) > 1
        if of_use or any(alike(tool, other) for other in (*conversation.tools, *chosen)):
            continue
        chosen.append(tool)
        if len(chosen) == count:
            break
    return chosen
