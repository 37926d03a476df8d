"""Retrieval by the words that query and document share, with nothing to train."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

import numpy as np
from rank_bm25 import BM25Okapi

from octupus.agent.retrieve.corpus import Document
from octupus.agent.retrieve.ranking import Ranked, best

_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")


class Bm25:
    """BM25 Okapi of the `rank-bm25` package, with its defaults."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._ids = [document.id for document in documents]
        words = [words_of(document.text) for document in documents]
        # The package divides by the number of words.
        self._bm25 = BM25Okapi(words) if any(words) else None

    def rank(self, query: str, k: int, only: Collection[str] | None = None) -> Ranked:
        """See Retriever. Documents that share no word with the query come last, with score 0."""
        scores = np.zeros(len(self._ids)) if self._bm25 is None else self._bm25.get_scores(words_of(query))
        return best(self._ids, scores, k, only)


def words_of(text: str) -> list[str]:
    """Words without case; a Chinese character is a word."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
