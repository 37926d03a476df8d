"""How good a ranking is, for documents that are relevant or not."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

CUTOFFS = (1, 3, 5)


def ndcg(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Normalised discounted cumulative gain of the first k: gain 1, discount log2(rank + 1) (Järvelin and Kekäläinen
    2002), over that of a ranking with all relevant documents in front. `ranked` holds no document twice."""
    gained = sum(1 / math.log2(place + 2) for place, each in enumerate(ranked[:k]) if each in relevant)
    ideal = sum(1 / math.log2(place + 2) for place in range(min(k, len(relevant))))
    return gained / ideal


def recall(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Share of the relevant documents that are among the first k."""
    return sum(each in relevant for each in ranked[:k]) / len(relevant)


def mean_metrics(rankings: Sequence[Sequence[str]], relevant: Sequence[Collection[str]]) -> dict[str, float]:
    """Means over queries of ndcg_1, ndcg_3, ndcg_5 and recall_5."""
    pairs = list(zip(rankings, relevant, strict=True))
    metrics = {f"ndcg_{k}": sum(ndcg(ranked, wanted, k) for ranked, wanted in pairs) / len(pairs) for k in CUTOFFS}
    metrics["recall_5"] = sum(recall(ranked, wanted, 5) for ranked, wanted in pairs) / len(pairs)
    return metrics
