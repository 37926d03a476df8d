"""Whether the values in calls come from the dialogue, or were made up.

A value is grounded when what was said before the call holds it. Compared are texts in NFKC form (so full-width digits
are digits), in lower case, with runs of spaces and punctuation as one space, and numbers by value (1,000 is 1000, 03
is 3, "two" and "两" are 2, "5 million" and "500万" are 5000000, 5% is also 0.05). Grounded is also

- a boolean, null, a string of fewer than two characters, and 0 and 1, which nobody says;
- what the tool itself offers: a value of an enum, const, default or example, or a word of a description;
- the code of a currency or language whose name was said: EUR for "euros";
- text of several words when half of its words, cut to their stems, were said: "Meeting with Ann" for "I meet Ann". Of
  Chinese and Japanese text the pairs of characters are compared, and a third suffices, since word order is freer.

So a date in another spelling passes by its numbers: 2024-03-15 for "March 15, 2024"; beside Chinese or Japanese
characters, it is enough that all numbers were said. Known gaps: text that the model is meant to write (a message's
body) is flagged when it shares too few words with the request, and so are values that follow from what was said
without being in it: "tomorrow" as a date, Apple as AAPL, a city's coordinates, a translated name, a sum.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from octupus.conversation import Conversation, ToolCall
from octupus.schema.validation import InvalidJsonError, parse_arguments


class Ungrounded(NamedTuple):
    """A value of a call that nothing before it says."""

    position: int
    """Of the message with the call."""
    call_id: str
    pointer: str
    """JSON pointer into the call's arguments."""
    value: str | int | float


def ungrounded(conversation: Conversation) -> tuple[Ungrounded, ...]:
    """Every made-up value in the trained calls, in order."""
    if not any(message.tool_calls for message in conversation.messages):
        return ()
    schemas = {tool.function.name: tool.function.parameters for tool in conversation.tools}
    said = _Said()
    found: list[Ungrounded] = []
    for position, message in enumerate(conversation.messages):
        if conversation.trained(position):
            for call in message.tool_calls:
                offered = _offered(schemas.get(call.function.name, {}))
                found += [
                    Ungrounded(position, call.id, pointer, value)
                    for pointer, value in _leaves(_arguments(call))
                    if not said.holds(value) and not offered.holds(value)
                ]
        said.add(message.content or "")
    return tuple(found)


_SEPARATORS = re.compile(r"(?:[^\w$€£¥]|_)+")
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)[ -]?(%|percent|hundred|thousand|k\b|million|m\b|billion|百|千|万|亿)?")
_TOKEN = re.compile(r"[0-9]+|[^\W\d_]+")
_IDEOGRAPHS = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+")
_LATIN_LETTER = re.compile("[a-z]")
_SCALES = {
    "%": 0.01, "percent": 0.01, "hundred": 100, "百": 100, "thousand": 1000, "k": 1000, "千": 1000, "万": 10_000,
    "million": 1_000_000, "m": 1_000_000, "亿": 100_000_000, "billion": 1_000_000_000,
}  # fmt: skip
_NUMBER_WORDS = {
    "half": 0.5, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "eighteen": 18, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "hundred": 100, "dozen": 12,
    "thousand": 1000, "million": 1_000_000, "first": 1, "second": 2, "third": 3, "twice": 2, "couple": 2,
    "week": 7, "weekly": 7,
}  # fmt: skip
_IDEOGRAPH_NUMBERS = {
    "半": 0.5, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10, "百": 100,
    "千": 1000, "万": 10_000, "周": 7,
}  # fmt: skip
_CODES = {
    "usd": ("dollar", "美元", "美金", "$"), "eur": ("euro", "欧元", "€"), "gbp": ("pound", "sterling", "英镑", "£"),
    "jpy": ("yen", "日元", "日圆"), "cny": ("yuan", "renminbi", "人民币", "¥"), "inr": ("rupee", "卢比"),
    "aud": ("australian dollar", "澳元"), "cad": ("canadian dollar", "加元"), "chf": ("franc", "法郎"),
    "hkd": ("hong kong dollar", "港币", "港元"), "krw": ("won", "韩元"), "mxn": ("peso", "比索"),
    "en": ("english", "英语", "英文"), "zh": ("chinese", "mandarin", "中文", "汉语"), "fr": ("french", "法语", "法文"),
    "es": ("spanish", "西班牙"), "de": ("german", "德语", "德文"),
    "it": ("italian", "意大利"), "ja": ("japanese", "日语", "日文"),
    "ko": ("korean", "韩语", "韩文"), "pt": ("portuguese", "葡萄牙"),
    "ru": ("russian", "俄语", "俄文"), "ar": ("arabic", "阿拉伯"),
}  # fmt: skip
"""Codes of ISO 4217 and ISO 639-1 with what people say for them."""
_STEM = 5
"""Characters of a word that are compared: "meeting" and "meets", "translate" and "translation"."""
_COMMON = frozenset("a an and at by for from in is it my of on or the to with your".split())  # noqa: SIM905
_SELF_EVIDENT = (0, 1)


class _Said:
    """What texts say, ready to be asked for values."""

    def __init__(self) -> None:
        self._text = " "
        self._packed = ""
        self._stems: set[str] = set()
        self._pairs: set[str] = set()
        self._numbers: set[float] = set()

    def add(self, text: str) -> None:
        """Take in one more text."""
        text = unicodedata.normalize("NFKC", text).lower()
        plain = _SEPARATORS.sub(" ", text).strip()
        self._text += plain + " "
        self._packed += plain.replace(" ", "") + " "
        self._stems.update(map(_stem, _TOKEN.findall(text)))
        self._pairs.update(_pairs(text))
        self._numbers.update(_numbers(text))

    def holds(self, value: str | int | float) -> bool:
        """Whether the value is said."""
        if not isinstance(value, str):
            return value in _SELF_EVIDENT or _rounded(abs(value)) in self._numbers
        text = unicodedata.normalize("NFKC", value).lower()
        plain = _SEPARATORS.sub(" ", text).strip()
        if len(plain) < 2 or plain in self._text or plain.replace(" ", "") in self._packed:
            return True
        if any(name in self._text for name in _CODES.get(plain, ())):
            return True
        return self._shares_pairs(text) or self._shares_words(text)

    def _shares_words(self, text: str) -> bool:
        numbers = {float(number) for number in re.findall("[0-9]+", text)}
        words = [_stem(word) for word in _TOKEN.findall(text) if word not in _COMMON and not word.isdecimal()]
        if numbers and not _LATIN_LETTER.search(text) and _IDEOGRAPHS.search(text):
            return numbers - {0.0} <= self._numbers  # 10:00:00 for ten o'clock
        known = sum(word in self._stems for word in words) + sum(number in self._numbers for number in numbers)
        return known > 0 and 2 * known >= len(words) + len(numbers)

    def _shares_pairs(self, text: str) -> bool:
        pairs = _pairs(text)
        return 3 * len(pairs & self._pairs) >= len(pairs) > 0


def _numbers(text: str) -> Iterator[float]:
    text = _THOUSANDS.sub("", text)
    for digits, scale in _NUMBER.findall(text):
        yield _rounded(float(digits))
        if scale:
            yield _rounded(float(digits) * _SCALES[scale])
    for word in _TOKEN.findall(text):
        if word in _NUMBER_WORDS:
            yield _NUMBER_WORDS[word]
    for character, number in _IDEOGRAPH_NUMBERS.items():
        if character in text:
            yield number


def _rounded(number: float) -> float:
    try:
        return float(f"{number:.9g}")
    except OverflowError:
        return math.inf  # an integer beyond a double, as its digits in a text are


def _stem(word: str) -> str:
    return str(float(word)) if word.isdecimal() else word[:_STEM]


def _pairs(text: str) -> set[str]:
    return {run[start : start + 2] for run in _IDEOGRAPHS.findall(text) for start in range(len(run) - 1)}


def _offered(schema: Mapping[str, Any]) -> _Said:
    """What the schema offers as values."""
    offered = _Said()
    for text in _offers(schema):
        offered.add(text)
    return offered


def _offers(value: Any, keyword: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _offers(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _offers(inner, keyword)
    elif keyword in ("enum", "const", "default", "example", "examples", "description"):
        yield str(value)


def _arguments(call: ToolCall) -> dict[str, Any]:
    try:
        return parse_arguments(call.function.arguments)
    except InvalidJsonError:
        return {}  # named by the schema check


def _leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, str | int | float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _leaves(inner, f"{pointer}/{position}")
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield pointer, value
