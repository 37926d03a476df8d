"""The loss that draws a query to its relevant document, and away from the other documents of its batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of training: a query, one document that is relevant for it, and all that are."""

    query: str
    document: str
    document_id: str
    relevant: frozenset[str]

    def excludes(self, other: Pair) -> bool:
        """Whether either one's document is relevant for the other, so that neither is a negative of the other."""
        return other.document_id in self.relevant or self.document_id in other.relevant


def excluded(pairs: Sequence[Pair]) -> torch.Tensor:
    """Which documents (columns) may not be negatives of which queries (rows): bool of shape (pairs, pairs).

    The diagonal, a query with its own document, is not among them.
    """
    count = len(pairs)
    rows = [[row != column and pairs[row].excludes(pairs[column]) for column in range(count)] for row in range(count)]
    return torch.tensor(rows, dtype=torch.bool).reshape(count, count)


def ranking_loss(
    queries: torch.Tensor, documents: torch.Tensor, scale: float, excluded: torch.Tensor | None = None
) -> torch.Tensor:
    """Multiple negatives ranking loss: the mean cross-entropy, in nats, of each query's own document.

    `queries` and `documents` are vectors of length 1, of shape (pairs, dimensions); a query's logits are its cosines
    with all documents times `scale` (Henderson et al. 2017, arXiv:1705.00652). `excluded` entries, bool of shape
    (pairs, pairs), take no part.
    """
    logits = queries @ documents.T * scale
    if excluded is not None:
        logits = logits.masked_fill(excluded, float("-inf"))
    return nn.functional.cross_entropy(logits, torch.arange(len(logits), device=logits.device))
