"""Chat without tools for the synthetic corpora: echo tasks, which teach copying, and short exchanges."""

from __future__ import annotations

import json
import zlib
from random import Random

from octupus.quickstart.synthetic_requests import HELD_OUT_SHARE, draw_value
from octupus.quickstart.synthetic_tools import Parameter, ValueKind

__all__ = ["draw_echo", "draw_small_talk"]

_KEYS = ("city", "person", "topic", "date", "to", "title", "word", "origin", "destination")
_SYLLABLES = [consonant + vowel for consonant in "bdklmnr" for vowel in "aeiou"]


def draw_echo(random: Random, language: str) -> tuple[str, str]:
    """A task whose answer is part of the question, sometimes as JSON, as a call's arguments are."""
    values = [_echo_value(random, language) for _ in range(random.choice((1, 1, 2, 3)))]
    said = (", " if language == "en" else "、").join(values)
    if random.random() < 0.4:
        keys = random.sample(_KEYS, len(values))
        pairs = ", ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True))
        return f"JSON: {pairs}", json.dumps(dict(zip(keys, values, strict=True)), ensure_ascii=False)
    templates = {"en": ("Repeat: {}", "Say {}.", 'Echo "{}"'), "zh": ("重复：{}", "请说{}。", "跟我说“{}”")}
    return random.choice(templates[language]).format(said), said


def _echo_value(random: Random, language: str) -> str:
    kinds: tuple[ValueKind, ...] = ("city", "city", "person", "topic", "food", "date", "number", "ticker")
    if random.random() < 0.15:
        return "".join(random.choices(_SYLLABLES, k=random.randint(2, 4))).capitalize()
    return str(draw_value(random, language, Parameter("value", random.choice(kinds), high=99)))


def draw_small_talk(random: Random, language: str, held_out: bool) -> tuple[str, str]:
    """A short exchange that copies something; one in `HELD_OUT_SHARE` texts, by checksum, is held out."""
    while True:
        question, answer = _small_talk(random, language)
        if (zlib.crc32(question.encode()) % HELD_OUT_SHARE == 0) == held_out:
            return question, answer


def _small_talk(random: Random, language: str) -> tuple[str, str]:
    words = {"city": draw_value(random, language, Parameter("city", "city"))}
    words["name"] = draw_value(random, language, Parameter("name", "person"))
    words["topic"] = draw_value(random, language, Parameter("topic", "topic"))
    choices = {
        "en": (
            ("Hello, I am {name}.", "Hello {name}!"),
            ("I am {name} from {city}.", "Welcome, {name}! How is {city}?"),
            ("I live in {city} and like {topic}.", "Enjoy {topic} in {city}!"),
            ("{name} likes {topic}. Who likes {topic}?", "{name} likes {topic}."),
            ("{name} is in {city}. Where is {name}?", "{name} is in {city}."),
            ("Thanks for the {topic}, says {name}.", "You are welcome, {name}."),
        ),
        "zh": (
            ("你好，我是{name}。", "你好，{name}！"),
            ("我是{name}，来自{city}。", "欢迎{name}！{city}好吗？"),
            ("我住在{city}，喜欢{topic}。", "在{city}享受{topic}吧！"),
            ("{name}喜欢{topic}。谁喜欢{topic}？", "{name}喜欢{topic}。"),
            ("{name}在{city}。{name}在哪里？", "{name}在{city}。"),
            ("{name}说谢谢你的{topic}。", "不客气，{name}。"),
        ),
    }
    question, answer = random.choice(choices[language])
    return question.format(**words), answer.format(**words)
