"""What every retriever can do, and how two of them are made one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Ranked = list[tuple[str, float]]
"""Ids of documents with their scores, the best first."""

_CONSTANT = 60
_DEPTH = 100


class Retriever(Protocol):
    """Puts documents in order for a query."""

    def rank(self, query: str, k: int, only: Collection[str] | None = None) -> Ranked:
        """The best k documents, of those in `only` where it is given. Equal scores keep the documents' order."""
        ...


class Fused:
    """Reciprocal rank fusion (Cormack et al. 2009): a document's score is the sum of 1 / (60 + rank) over retrievers,
    of which each gives its first 100, or k if that is more."""

    def __init__(self, retrievers: Sequence[Retriever]) -> None:
        self._retrievers = retrievers

    def rank(self, query: str, k: int, only: Collection[str] | None = None) -> Ranked:
        """See Retriever."""
        scores: dict[str, float] = {}
        for retriever in self._retrievers:
            for place, (identity, _) in enumerate(retriever.rank(query, max(k, _DEPTH), only), 1):
                scores[identity] = scores.get(identity, 0.0) + 1 / (_CONSTANT + place)
        return sorted(scores.items(), key=lambda scored: -scored[1])[:k]


def best(ids: Sequence[str], scores: npt.NDArray[np.floating], k: int, only: Collection[str] | None = None) -> Ranked:
    """The first k of `ids` by `scores`, one for each id."""
    order = np.argsort(-scores, kind="stable")
    allowed = None if only is None else frozenset(only)
    ranked: Ranked = []
    for position in order:
        if len(ranked) == k:
            break
        if allowed is None or ids[position] in allowed:
            ranked.append((ids[position], float(scores[position])))
    return ranked
