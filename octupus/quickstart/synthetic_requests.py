"""Draws requests for the synthetic corpora: a tool, values for its arguments, and a text that asks for it.

Every (tool, arguments) pair lies on one side of a fixed split by checksum, training or held out.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from octupus.quickstart.synthetic_tools import TOOLS, Parameter, ToolSpec, ValueKind
from octupus.quickstart.synthetic_values import CITIES, FOODS, LANGUAGES, PERSONS, TICKERS, TOPICS

__all__ = [
    "HELD_OUT_SHARE",
    "Request",
    "draw_request",
    "draw_value",
    "is_held_out",
    "join_requests",
    "spoken",
]

HELD_OUT_SHARE = 8
"""One in so many (tool, arguments) pairs is held out of training."""

_JOINERS = {"en": (" Also: ", " Then: "), "zh": ("另外，", "然后，")}
_LIST_JOIN = {"en": (", ", " and "), "zh": ("、", "和")}


@dataclass(frozen=True)
class Request:
    """One thing asked for: the tool that does it, the arguments it needs, and the words."""

    tool: ToolSpec
    arguments: dict[str, Any]
    text: str


def draw_request(random: Random, language: str, held_out: bool, tools: Sequence[ToolSpec] = TOOLS) -> Request:
    """Draw a request to one of `tools` on one side of the split between training and held out."""
    while True:
        tool = random.choice(tools)
        request = _fill(random, language, tool)
        if is_held_out(tool.name, request.arguments) == held_out:
            return request


def is_held_out(name: str, arguments: dict[str, Any]) -> bool:
    """Tell the side of a (tool, arguments) pair; a tool without parameters has nothing to hold out."""
    key = json.dumps([name, arguments], ensure_ascii=False, sort_keys=True)
    return bool(arguments) and zlib.crc32(key.encode()) % HELD_OUT_SHARE == 0


def _fill(random: Random, language: str, tool: ToolSpec) -> Request:
    template = random.choice(tool.requests[language])
    template = re.sub(r"\[(.*?)\]", lambda part: part[1] if random.random() < 0.5 else "", template)
    arguments: dict[str, Any] = {}
    words: dict[str, str] = {}
    for parameter in tool.parameters:
        if f"{{{parameter.name}}}" in template:
            value = draw_value(random, language, parameter, avoid=list(arguments.values()))
            arguments[parameter.name] = value
            words[parameter.name] = spoken(language, parameter, value)
    return Request(tool, arguments, template.format(**words))


def join_requests(random: Random, language: str, asked: list[Request]) -> str:
    """One text that asks for everything in `asked`."""
    return random.choice(_JOINERS[language]).join(one.text for one in asked)


_WORDS: dict[ValueKind, dict[str, tuple[str, ...]]] = {
    "city": CITIES,
    "person": PERSONS,
    "topic": TOPICS,
    "food": FOODS,
    "ticker": dict.fromkeys(LANGUAGES, TICKERS),
}


def draw_value(random: Random, language: str, parameter: Parameter, avoid: list[Any] | None = None) -> Any:
    """Draw the value of an argument; words differ from those in `avoid`."""
    kind = parameter.kind
    if kind in _WORDS:
        return random.choice([word for word in _WORDS[kind][language] if word not in (avoid or [])])
    if kind == "persons" or kind == "foods":
        return random.sample((PERSONS if kind == "persons" else FOODS)[language], random.choice((1, 2, 2)))
    if kind == "integer":
        return random.randint(2, parameter.high)
    if kind == "number":
        return random.randint(2, parameter.high) + 0.5
    if kind == "boolean":
        return random.random() < 0.5
    if kind == "date":
        return f"{random.randint(1, 12):02}-{random.randint(1, 28):02}"
    if kind == "phone":
        return str(random.randint(200, 999))
    return random.choice(parameter.choices)


def spoken(language: str, parameter: Parameter, value: Any) -> str:
    """How a request says a value."""
    if parameter.kind == "boolean":
        return parameter.phrases[LANGUAGES.index(language)][0 if value else 1]
    if isinstance(value, list):
        comma, last = _LIST_JOIN[language]
        return last.join(filter(None, (comma.join(value[:-1]), value[-1])))
    return str(value)
