"""A search engine over a small encyclopaedia."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any, Literal

CATEGORY = "Search"

_ARTICLES = json.loads((Path(__file__).parent / "data" / "encyclopaedia.json").read_text(encoding="utf-8"))

Topic = Literal["geography", "history", "biology", "physics", "astronomy", "food", "art", "technology"]

_K1, _B = 1.2, 0.75
"""BM25's usual constants: how soon a repeated word counts no more, and how much long texts are discounted."""
_TITLE_WEIGHT = 3


def search_encyclopaedia(query: str, topic: Topic | None = None, limit: int = 3) -> dict[str, Any]:
    """Search an encyclopaedia for words, best match first.

    Args:
        query: Words to look for.
        topic: Field to look in; without it, all.
        limit: Most articles to give, from 1 to 20.
    """
    words = _words(query)
    if not words:
        raise ValueError("query must hold at least one word")
    if not 1 <= limit <= 20:
        raise ValueError(f"limit must be from 1 to 20, not {limit}")
    scored = [
        (_score(words, counts), -position)
        for position, (article, counts) in enumerate(zip(_ARTICLES, _COUNTS, strict=True))
        if topic in (None, article["topic"])
    ]
    best = sorted((pair for pair in scored if pair[0] > 0), reverse=True)[:limit]
    found = [{**_head(_ARTICLES[-place]), "score": round(score, 3)} for score, place in best]
    return {"articles": found}


def read_article(article_id: str) -> dict[str, Any]:
    """Read an article of the encyclopaedia.

    Args:
        article_id: Id of the article, such as art_12.
    """
    for article in _ARTICLES:
        if article["id"] == article_id:
            return dict(article)
    raise ValueError(f"there is no article {article_id!r}; ids go from art_1 to art_{len(_ARTICLES)}")


def list_articles(topic: Topic) -> dict[str, Any]:
    """List the titles of a field's articles.

    Args:
        topic: The field.
    """
    found = [_head(article) for article in _ARTICLES if article["topic"] == topic]
    if not found:
        topics = dict.fromkeys(article["topic"] for article in _ARTICLES)
        raise ValueError(f"topic must be one of {', '.join(topics)}, not {topic!r}")
    return {"articles": found}


def _head(article: dict[str, Any]) -> dict[str, Any]:
    return {key: article[key] for key in ("id", "title", "topic")}


def _words(text: str) -> list[str]:
    """Words without case and without the s of the plural."""
    words = re.findall(r"\w+", text.casefold())
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in words]


def _score(words: list[str], counts: Counter[str]) -> float:
    """BM25 (Robertson and Zaragoza, 2009)."""
    length = _K1 * (1 - _B + _B * counts.total() / _MEAN_LENGTH)
    score = 0.0
    for word in set(words):
        having = _HAVING[word]
        rarity = math.log(1 + (len(_COUNTS) - having + 0.5) / (having + 0.5))
        score += rarity * counts[word] * (_K1 + 1) / (counts[word] + length)
    return score


_COUNTS = [Counter(_words(article["title"]) * _TITLE_WEIGHT + _words(article["text"])) for article in _ARTICLES]
_HAVING = Counter(word for counts in _COUNTS for word in counts)
_MEAN_LENGTH = sum(counts.total() for counts in _COUNTS) / len(_COUNTS)
