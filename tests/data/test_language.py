"""The language of conversations."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.conversation import Conversation, Message, Role
from octupus.data.language import language, language_of
from octupus.data.sources import alpaca, sharegpt


def conversation(*contents: tuple[Role, str | None]) -> Conversation:
    return Conversation(messages=tuple(Message(role=role, content=content) for role, content in contents))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello", "en"),
        ("Play jazz", "en"),
        ("What is the weather in Berlin?", "en"),
        ("Die Hard", "en"),
        ("你好", "zh"),
        ("ab 你", "zh"),
        ("abc 你", "en"),
        ("请用 Python 写一个函数", "zh"),
        ("東京の天気を教えてください", "ja"),
        ("テスト", "ja"),
        ("서울 날씨 알려줘", "ko"),
        ("Какая погода в Москве?", "ru"),
        ("ما هو الطقس اليوم", "ar"),
        ("आज मौसम कैसा है", "hi"),
        ("วันนี้อากาศเป็นอย่างไร", "th"),
        ("Ποιος είναι ο καιρός", "el"),
        ("מה מזג האוויר", "he"),
        ("Wie ist das Wetter in Berlin?", "de"),
        ("Quel temps fait-il à Paris ?", "fr"),
        ("¿Cuál es el clima en Madrid?", "es"),
        ("Qual é a previsão do tempo em Lisboa?", "pt"),
        ("Quanto costa il biglietto per Roma? Vorrei anche la data.", "it"),
        ("Hôm nay thời tiết ở Hà Nội thế nào vậy bạn ơi", "und"),
        ("Name five companies: Apple, Google, Microsoft, Amazon, Facebook, Intel, Oracle, Cisco", "en"),
        ("ሰላም ለዓለም", "und"),
        ("12 !?", "und"),
        ("", "und"),
        ("写一个程序\n```python\nfor the_item in the_list:\n    print(the_item, and_so_on)\n```", "zh"),
        ("```\nfor item in items: print(item)\n```", "en"),
    ],
)
def test_texts(text: str, expected: str) -> None:
    assert language_of(text) == expected


def test_only_what_user_and_assistant_wrote_counts() -> None:
    dialogue: list[tuple[Role, str | None]] = [
        ("system", "You are a helpful assistant with access to the tools below."),
        ("user", "北京天气"),
        ("assistant", None),
        ("tool", "It is sunny in the city of Beijing and it will be so tomorrow."),
        ("assistant", "晴"),
    ]
    assert language(conversation(*dialogue)) == "zh"
    assert language(conversation(("system", "Be brief."))) == "und"


def test_latin_words_that_are_no_sentence() -> None:
    """The sample of WildChat that declares Latin: a prompt for images, one Chinese character, no stop word."""
    texts = ["/imagine lorem ipsum 雨 drops --v 5", "Prompt 1: ...", "more", "Prompt 2: ...", "more", "Prompt 3: ..."]
    roles: list[Role] = ["user", "assistant"] * 3
    assert language(conversation(*zip(roles, texts, strict=True))) == "und"


@pytest.mark.parametrize(
    ("name", "code", "least"),
    [
        ("alpaca_en_demo", "en", 1.0),
        ("alpaca_zh_demo", "zh", 0.96),
        ("glaive_toolcall_en_demo", "en", 1.0),
        ("glaive_toolcall_zh_demo", "zh", 0.96),
    ],
)
def test_real_rows(shared: Callable[[str], Path], name: str, code: str, least: float) -> None:
    """Chinese rows that count as English have English answers."""
    convert = alpaca.convert if name.startswith("alpaca") else sharegpt.convert
    rows = json.loads(shared(f"corpora/llamafactory/{name}.json").read_text("utf-8"))
    found = Counter(language(convert(row)) for row in rows)
    assert set(found) <= {"en", "zh"}
    assert found[code] >= least * len(rows)


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    assert language_of(text)


@pytest.mark.parametrize("text", ["The cat sat on the mat. ", "今天天气很好，我想去公园散步。Python "])
def test_two_thousand_characters_are_quick(text: str) -> None:
    text = (text * 100)[:2000]
    fastest = min(_seconds(text) for _ in range(20))
    assert fastest < 0.002  # some 50 microseconds on an idle machine; this only refuses another order of growth


def _seconds(text: str) -> float:
    started = time.perf_counter()
    language_of(text)
    return time.perf_counter() - started
