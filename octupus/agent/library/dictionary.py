"""A small dictionary of English with Chinese translations."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

CATEGORY = "Education"

_WORDS = json.loads((Path(__file__).parent / "data" / "dictionary.json").read_text(encoding="utf-8"))


def define_word(word: str) -> dict[str, Any]:
    """Tell what an English word means and which part of speech it is.

    Args:
        word: The word, such as serendipity.
    """
    entry = _entry(word)
    return {key: entry[key] for key in ("word", "part_of_speech", "definition")}


def find_synonyms(word: str) -> dict[str, Any]:
    """Find words that mean nearly the same as an English word.

    Args:
        word: The word, such as brave.
    """
    wanted = word.strip().casefold()
    others = [entry["word"] for entry in _WORDS if wanted in entry["synonyms"]]
    own = [] if others and wanted not in [entry["word"] for entry in _WORDS] else _entry(word)["synonyms"]
    return {"word": wanted, "synonyms": list(dict.fromkeys([*own, *others]))}


def translate_word(word: str, to_language: Literal["Chinese", "English"] = "Chinese") -> dict[str, Any]:
    """Translate a word between English and Chinese.

    Args:
        word: The word, in the language that is not asked for, such as lantern or 灯笼.
        to_language: Language to translate into.
    """
    if to_language == "Chinese":
        return {"word": word, "translation": _entry(word)["chinese"]}
    for entry in _WORDS:
        if word.strip().removesuffix("的") == entry["chinese"].removesuffix("的"):
            return {"word": word, "translation": entry["word"]}
    raise ValueError(f"the dictionary has no Chinese word {word!r}")


def find_words(
    begins_with: str = "",
    part_of_speech: Literal["noun", "verb", "adjective"] | None = None,
    letters: int | None = None,
    limit: int = 20,
) -> dict[str, Any]:
    """Find words of the dictionary by their beginning, part of speech and length.

    Args:
        begins_with: First letters; without them, any.
        part_of_speech: Kind of word.
        letters: Number of letters.
        limit: Most words to give, from 1 to 100.
    """
    if not 1 <= limit <= 100:
        raise ValueError(f"limit must be from 1 to 100, not {limit}")
    found = [
        entry["word"]
        for entry in _WORDS
        if entry["word"].startswith(begins_with.strip().casefold())
        and part_of_speech in (None, entry["part_of_speech"])
        and letters in (None, len(entry["word"]))
    ]
    return {"count": len(found), "words": found[:limit]}


def _entry(word: str) -> dict[str, Any]:
    wanted = word.strip().casefold()
    for entry in _WORDS:
        if entry["word"] == wanted:
            return dict(entry)
    near = [entry["word"] for entry in _WORDS if re.match(re.escape(wanted[:3]), entry["word"])] if wanted else []
    hint = f"; words that begin alike: {', '.join(near)}" if near else "; find_words lists what it has"
    raise ValueError(f"the dictionary has no word {word!r}{hint}")
