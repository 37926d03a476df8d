"""Figures about texts: counts, frequent words, readability, and how alike two texts are."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from typing import Any, Literal

CATEGORY = "Text Analysis"

_LONGEST = 20_000
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def count_text(text: str) -> dict[str, Any]:
    """Count the characters, words, sentences and lines of a text.

    Args:
        text: The text, up to 20000 characters.
    """
    _check(text)
    return {
        "characters": len(text),
        "characters_without_spaces": sum(not character.isspace() for character in text),
        "words": len(_WORD.findall(text)),
        "sentences": _sentences(text),
        "lines": len(text.splitlines()),
    }


def find_frequent_words(text: str, limit: int = 10, min_letters: int = 1) -> dict[str, Any]:
    """Find the words that a text uses most, and how often.

    Args:
        text: The text, up to 20000 characters.
        limit: Most words to give, from 1 to 100.
        min_letters: Fewest letters of a word.
    """
    _check(text)
    if not 1 <= limit <= 100:
        raise ValueError(f"limit must be from 1 to 100, not {limit}")
    counts = Counter(word.casefold() for word in _WORD.findall(text) if len(word) >= min_letters)
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return {"words": [{"word": word, "count": count} for word, count in ranked[:limit]]}


def measure_readability(text: str) -> dict[str, Any]:
    """Tell how easy an English text is to read, by the Flesch reading ease from 0 (hard) to 100 (easy).

    Args:
        text: The text, up to 20000 characters.
    """
    _check(text)
    words = _WORD.findall(text)
    if not words:
        raise ValueError("text must hold at least one word")
    syllables = sum(max(1, len(re.findall("[aeiouy]+", word.casefold().removesuffix("e")))) for word in words)
    # Flesch, "A new readability yardstick", 1948.
    ease = 206.835 - 1.015 * len(words) / max(1, _sentences(text)) - 84.6 * syllables / len(words)
    return {
        "reading_ease": round(min(100.0, max(0.0, ease)), 1),
        "words_per_sentence": round(len(words) / max(1, _sentences(text)), 2),
        "syllables_per_word": round(syllables / len(words), 2),
    }


def compare_texts(first: str, second: str) -> dict[str, Any]:
    """Tell how alike two texts are, and which words only one of them has.

    Args:
        first: One text, up to 2000 characters.
        second: The other text, up to 2000 characters.
    """
    for name, text in (("first", first), ("second", second)):
        if len(text) > 2000:
            raise ValueError(f"{name} must have at most 2000 characters, not {len(text)}")
    words = [{word.casefold() for word in _WORD.findall(text)} for text in (first, second)]
    return {
        "similarity": round(difflib.SequenceMatcher(None, first, second, autojunk=False).ratio(), 3),
        "only_in_first": sorted(words[0] - words[1]),
        "only_in_second": sorted(words[1] - words[0]),
    }


def change_case(text: str, case: Literal["upper", "lower", "title", "sentence"]) -> dict[str, Any]:
    """Write a text in other cases of letters.

    Args:
        text: The text, up to 20000 characters.
        case: upper for all capitals, lower for none, title for one on each word, sentence for one at the beginning.
    """
    _check(text)
    changed = {"upper": text.upper(), "lower": text.lower(), "title": text.title(), "sentence": text.capitalize()}
    if case not in changed:
        raise ValueError(f"case must be one of {', '.join(changed)}, not {case!r}")
    return {"text": changed[case]}


def _check(text: str) -> None:
    if len(text) > _LONGEST:
        raise ValueError(f"text must have at most {_LONGEST} characters, not {len(text)}")


def _sentences(text: str) -> int:
    return len([part for part in re.split(r"[.!?。！？]+", text) if _WORD.search(part)])
