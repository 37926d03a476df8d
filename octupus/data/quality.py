"""What beyond correctness a conversation should be: its language, what it holds of people, whether its calls are true.

Unlike the checks, these are choices: each may keep, flag, mask or drop.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

from octupus.config import StrictModel
from octupus.conversation import Conversation
from octupus.data.grounding import ungrounded
from octupus.data.language import UNDETERMINED, language
from octupus.data.personal_data import find_personal_data
from octupus.data.reasons import Problem, Reason


class QualityConfig(StrictModel):
    """What is done with conversations that are correct and yet may not be wanted."""

    languages: tuple[str, ...] = ()
    """Codes such as en and zh; conversations in others, or in none that can be told, are dropped; those without any
    letter stay. Empty means all."""
    toxic: Literal["keep", "drop"] = "drop"
    """Conversations that their corpus marks as toxic."""
    personal_data: Literal["keep", "flag", "drop"] = "flag"
    """Conversations with what looks like e-mail addresses, phone numbers, cards or keys of real people."""
    ungrounded: Literal["keep", "flag", "mask", "drop"] = "flag"
    """Calls with values that nothing before them says; mask leaves such messages untrained."""
    refusals: Literal["keep", "flag", "mask"] = "flag"
    """Stock phrases such as "As an AI language model" in answers; mask leaves such messages untrained."""


def assess(conversation: Conversation, config: QualityConfig) -> Conversation | Problem:
    """The conversation with its language, its flags and what is masked; or why it is dropped."""
    flags: list[str] = []
    if conversation.meta.get("toxic"):
        if config.toxic == "drop":
            return Reason.TOXIC, "the corpus marks the conversation as toxic"
        flags.append("toxic")
    if conversation.meta.get("redacted"):
        flags.append("redacted")
    written = language(conversation)
    if config.languages and written not in config.languages and not _letterless(conversation, written):
        return Reason.LANGUAGE, f"written in {written}, not in {', '.join(config.languages)}"
    declared = _code(conversation.meta.get("declared_language"))
    if declared and declared != written:
        flags.append("language_disagrees")
    masked: set[int] = set()
    if config.personal_data != "keep":
        kinds = _personal_data(conversation)
        if kinds and config.personal_data == "drop":
            return Reason.PII, f"holds what looks like {', '.join(kinds)}"
        flags += [f"pii_{kind}" for kind in kinds]
    if config.ungrounded != "keep":
        found = ungrounded(conversation)
        if found and config.ungrounded == "drop":
            first = found[0]
            detail = f"message {first.position}: {first.pointer} of {first.call_id!r} is said nowhere before"
            return Reason.UNGROUNDED, detail
        flags += ["ungrounded"] if found else []
        masked |= {value.position for value in found} if config.ungrounded == "mask" else set()
    if config.refusals != "keep":
        refusing = _refusals(conversation)
        flags += ["refusal"] if refusing else []
        masked |= refusing if config.refusals == "mask" else set()
    return _marked(conversation, written, flags, masked)


def _marked(
    conversation: Conversation, written: str, flags: list[str], masked: Collection[int]
) -> Conversation | Problem:
    loss = conversation.loss
    if masked:
        loss = tuple(
            conversation.trained(position) and position not in masked for position in range(len(conversation.messages))
        )
        if not any(loss):
            return Reason.NO_ASSISTANT, f"nothing is left to train: {', '.join(flags)}"
        flags.append("masked")
    all_flags = tuple(dict.fromkeys([*conversation.flags, *flags]))
    return conversation.model_copy(update={"language": written, "flags": all_flags, "loss": loss})


def _letterless(conversation: Conversation, written: str) -> bool:
    """Whether the language cannot be told because nothing is written in words: a sum is in every language."""
    texts = [message.content or "" for message in conversation.messages if message.role != "tool"]
    return written == UNDETERMINED and not any(map(str.isalpha, "".join(texts)))


def _personal_data(conversation: Conversation) -> list[str]:
    texts: list[str] = []
    for message in conversation.messages:
        texts.append(message.content or "")
        texts += [call.function.arguments for call in message.tool_calls]
    return sorted({found.kind for found in find_personal_data("\n".join(texts))})


def _refusals(conversation: Conversation) -> set[int]:
    return {
        position
        for position, message in enumerate(conversation.messages)
        if conversation.trained(position) and message.content and _REFUSAL.search(message.content[:_REFUSAL_STARTS])
    }


_REFUSAL_STARTS = 400
"""Stock refusals open an answer; further on, the phrase is more often quoted."""
_REFUSAL = re.compile(
    r"\b(?:as|i am|i'm) (?:just |only )?(?:an?|your) (?:\w{1,20} )?(?:ai|artificial intelligence|language model)\b"
    r"[^.!?]{0,120}(?:n't|\bcannot|\bnot|\bno|\bunable)\b|"
    r"(?:作为|是)(?:一个|一款|一名|一种|一位)?(?:AI|人工智能|大型语言模型|大语言模型|语言模型)"
    r"[^。！？]{0,60}(?:无法|不能|没有|不具备|不会|无权)",
    re.IGNORECASE,
)
_CODES = {
    "english": "en", "chinese": "zh", "japanese": "ja", "korean": "ko", "russian": "ru", "arabic": "ar", "hindi": "hi",
    "thai": "th", "greek": "el", "hebrew": "he", "german": "de", "french": "fr", "spanish": "es", "portuguese": "pt",
    "italian": "it", "mandarin": "zh",
}  # fmt: skip


def _code(declared: object) -> str:
    """The code of a declared language; empty when nothing is declared or `language` never answers it."""
    if not isinstance(declared, str):
        return ""
    name = declared.strip().lower()
    code = _CODES.get(name) or re.split("[-_]", name)[0]
    return code if code in _CODES.values() and code != UNDETERMINED else ""
