"""What is said, in many ways: templates in two languages, with phrases that can be left out.

A template is text with `{names}` of values, and `[phrases]` in square brackets. A phrase is left out, with the words
around its value, when that value is. A template without a full stop, question mark or exclamation mark at its end is
what the user wants done ("send {name} a message"), and is put in a frame such as "Could you ...?".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from octupus.conversation import json_text

Language = Literal["en", "zh"]
Templates = str | Sequence[str]

_PHRASE = re.compile(r"\[([^\[\]]*)\]")
_NAME = re.compile(r"\{(\w+)\}")
_END = re.compile(r"[.?!。？！]\s*$")

FRAMES: dict[Language, tuple[str, ...]] = {
    "en": (
        "Please {wish}.",
        "Could you {wish}?",
        "Can you {wish}, please?",
        "I'd like you to {wish}.",
        "Hi! Please {wish}.",
        "{Wish}.",
        "{Wish}, please.",
        "I need you to {wish}.",
        "Would you {wish}?",
        "Hello, can you {wish}?",
    ),
    "zh": (
        "请{wish}。",
        "帮我{wish}。",
        "麻烦你{wish}，谢谢。",
        "请帮我{wish}。",
        "能不能帮我{wish}？",
        "你好，请{wish}。",
        "我想请你{wish}。",
        "可以帮我{wish}吗？",
    ),
}
NEXT_FRAMES: dict[Language, tuple[str, ...]] = {
    "en": (
        "Thanks. Now {wish}.",
        "Great. Next, please {wish}.",
        "Also, {wish}.",
        "One more thing: {wish}.",
        "Good. Could you also {wish}?",
        "And please {wish}.",
        "Then {wish}, please.",
    ),
    "zh": (
        "谢谢。接下来请{wish}。",
        "好的，再帮我{wish}。",
        "另外，请{wish}。",
        "还有一件事：{wish}。",
        "那么请{wish}。",
        "然后麻烦你{wish}。",
    ),
}
"""Frames of what is asked later in a conversation."""


@dataclass(frozen=True, slots=True)
class Wording:
    """Templates that all say the same."""

    en: tuple[str, ...]
    zh: tuple[str, ...]

    def templates(self, language: Language, without: str | None = None) -> list[str]:
        """Those of a language; with `without`, those that can leave that value out, with it left out."""
        chosen = list(self.en if language == "en" else self.zh)
        if without is None:
            return chosen
        return [_left_out(template, without) for template in chosen if _can_leave_out(template, without)]


def wording(en: Templates, zh: Templates) -> Wording:
    """Templates from one text or several."""
    return Wording((en,) if isinstance(en, str) else tuple(en), (zh,) if isinstance(zh, str) else tuple(zh))


@dataclass(frozen=True, slots=True)
class Shown:
    """A value or link that is told in another form than its own, such as cents as an amount."""

    value: Any
    form: Callable[[Any, Language], str]


def each(value: Any, en: str, zh: str | None = None) -> Shown:
    """Every record of a list by a template of its keys; an empty list is told as none."""

    def form(records: Any, language: Language) -> str:
        template = en if language == "en" or zh is None else zh
        texts = [filled(template, record, language) for record in records]
        # The records' own texts may hold commas.
        return ("; " if language == "en" else "；").join(texts) or listed([], language)

    return Shown(value, form)


def count(value: Any) -> Shown:
    """How many there are in a list."""
    return Shown(value, lambda found, _: str(len(found)))


def listed(texts: Sequence[str], language: Language) -> str:
    """Texts one after the other, as one says them."""
    if not texts:
        return "none" if language == "en" else "无"
    if language == "zh":
        return "、".join(texts)
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def shown(value: Any, language: Language = "en") -> str:
    """A value as people write it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return listed([shown(inner, language) for inner in value], language)
    return json_text(value)


def filled(template: str, values: Mapping[str, Any], language: Language) -> str:
    """The text of a template. Raises KeyError when it names a value that is not there."""
    return _NAME.sub(lambda found: shown(values[found[1]], language), _PHRASE.sub(r"\1", template))


def framed(text: str, random: Random, language: Language, later: bool) -> str:
    """What is wanted as a whole sentence; a text that is one already stays."""
    if _END.search(text):
        return text
    frame = random.choice((NEXT_FRAMES if later else FRAMES)[language])
    return frame.replace("{wish}", text).replace("{Wish}", text[:1].upper() + text[1:])


def names(template: str) -> set[str]:
    """The names of the values that a template says."""
    return set(_NAME.findall(template))


def _can_leave_out(template: str, name: str) -> bool:
    """Whether the value stands once, in a phrase of its own."""
    phrases = [phrase for phrase in _PHRASE.findall(template) if _NAME.findall(phrase) == [name]]
    return len(phrases) == 1 and _NAME.findall(template).count(name) == 1


def _left_out(template: str, name: str) -> str:
    return _PHRASE.sub(lambda found: "" if _NAME.findall(found[1]) == [name] else found[0], template)
