"""What several augmentations need: seeded choices, marks on the result, and when two tools are alike."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from random import Random

from octupus.conversation import Conversation, Message, Tool
from octupus.data.augment.config import AugmentationName
from octupus.data.language import language

WRITTEN_LANGUAGES = ("en", "zh")
"""The languages that sentences are written for."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[^\W\d_]+")
_IDEOGRAPH_RUN = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+")
_STEM = 6
_GENERIC = frozenset(
    (
        *("a", "add", "all", "an", "and", "api", "based", "be", "by", "calcul", "check", "conver", "create", "data"),
        *("detail", "fetch", "find", "for", "from", "functi", "genera", "get", "given", "in", "info", "inform", "is"),
        *(
            "it",
            "list",
            "make",
            "new",
            "of",
            "on",
            "or",
            "provid",
            "return",
            "retrie",
            "search",
            "send",
            "set",
            "specif",
        ),
        *("that", "the", "this", "to", "tool", "update", "use", "user", "using", "with", "your"),
    )
)
"""Stems of words that tools of every kind have in their names and descriptions."""
_ALIKE = 0.5


def random_for(seed: int, name: AugmentationName, *ids: str) -> Random:
    """The source of all choices in augmenting the conversations with these ids."""
    digest = hashlib.sha256(repr((seed, name, ids)).encode()).digest()
    return Random(int.from_bytes(digest[:16], "big"))


def written_language(conversation: Conversation) -> str | None:
    """`en` or `zh`, or None where sentences cannot be written."""
    code = conversation.language or language(conversation)
    return code if code in WRITTEN_LANGUAGES else None


def augmented(
    conversation: Conversation,
    name: AugmentationName,
    origin: str | list[str],
    messages: Sequence[Message] | None = None,
    tools: Sequence[Tool] | None = None,
    loss: Sequence[bool] | None = None,
) -> Conversation:
    """The conversation with what is new in it, and marked; `origin` is the id or ids that it was made from."""
    return conversation.model_copy(
        update={
            "messages": conversation.messages if messages is None else tuple(messages),
            "tools": conversation.tools if tools is None else tuple(tools),
            "loss": conversation.loss if loss is None else tuple(loss),
            "flags": tuple(dict.fromkeys([*conversation.flags, f"augmented_{name}"])),
            "meta": {**conversation.meta, "augmented_from": origin},
        }
    )


def first_call(conversation: Conversation) -> int | None:
    """The position of the first assistant message, if it calls, is trained, and answers the first user message."""
    roles = [message.role for message in conversation.messages]
    position = 1 if roles[:1] == ["user"] else 2
    if roles[position - 1 : position + 1] != ["user", "assistant"] or roles[0] not in ("system", "user"):
        return None
    called = conversation.messages[position].tool_calls and conversation.trained(position)
    return position if called else None


def called_names(messages: Sequence[Message]) -> set[str]:
    """The names of all tools that are called."""
    return {call.function.name for message in messages for call in message.tool_calls}


def alike(one: Tool, other: Tool) -> bool:
    """Whether two tools could do the same: most words of their names, or of their descriptions, are the same."""
    if one.function.name == other.function.name:
        return True
    if one.function.description and one.function.description == other.function.description:
        return True
    return any(
        _overlap(stems(first), stems(second)) >= _ALIKE
        for first, second in (
            (one.function.name, other.function.name),
            (one.function.description, other.function.description),
        )
    )


def stems(text: str) -> frozenset[str]:
    """The beginnings of the words that mean something, and pairs of ideographs, in a name or description."""
    spaced = _CAMEL.sub(" ", text).replace("_", " ").lower()
    found = {word[:_STEM] for word in _WORD.findall(spaced) if word.isascii()}
    found |= {run[start : start + 2] for run in _IDEOGRAPH_RUN.findall(spaced) for start in range(max(1, len(run) - 1))}
    return frozenset(found - _GENERIC)


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of the smaller set that the other has, too: a short description may be part of a long one."""
    smaller = min(len(one), len(other))
    return len(one & other) / smaller if smaller else 0.0
