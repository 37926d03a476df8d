"""The language of a conversation, by the share of Chinese characters among its letters."""

from __future__ import annotations

import re

from octupus.conversation import Conversation

_CJK = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def language(conversation: Conversation) -> str:
    """`zh` when a third or more of the letters that people and the assistant wrote are CJK, else `en`."""
    text = "".join(message.content or "" for message in conversation.messages if message.role != "tool")
    letters = sum(map(str.isalpha, text))
    return "zh" if letters and 3 * len(_CJK.findall(text)) >= letters else "en"
