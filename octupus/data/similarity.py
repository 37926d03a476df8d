"""How alike two rows are: estimated from their sketches, counted from their texts where the estimate leaves doubt."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from octupus.conversation import Conversation
from octupus.data.dedup import Similarity
from octupus.data.index import Index
from octupus.data.minhash import SHINGLE, conversation_text, estimated_similarity, jaccard, shingle_hashes, tokens
from octupus.data.records import RECORD
from octupus.data.store import Store

Positions = npt.NDArray[np.int64]

DEVIATIONS = 3.5
"""Standard deviations of an estimate within which it is in doubt: it errs by more once in two thousand pairs."""
_PAIRS_AT_ONCE = 5000  # bounds the memory for their texts


def similarity_of_rows(store: Store, index: Index, threshold: float) -> Callable[[Positions], Similarity]:
    """For rows of the index (int64[m]): the Jaccard indices of pairs of positions among them.

    Exact where the estimate is near the threshold, so that chance hardly ever decides what is a near duplicate.
    """
    doubt = DEVIATIONS * math.sqrt(threshold * (1 - threshold) / max(index.sketch.shape[1], 1))

    def of_rows(rows: Positions) -> Similarity:
        estimate = estimated_similarity(index.sketch[rows])

        def similarity(pairs: Positions) -> npt.NDArray[np.float64]:
            values = estimate(pairs)
            doubtful = np.flatnonzero(np.abs(values - threshold) <= doubt)
            for start in range(0, len(doubtful), _PAIRS_AT_ONCE):
                chosen = doubtful[start : start + _PAIRS_AT_ONCE]
                values[chosen] = _exact(store, index, rows[pairs[chosen]])
            return values

        return similarity

    return of_rows


def _exact(store: Store, index: Index, pairs: Positions) -> list[float]:
    rows, places = np.unique(pairs, return_inverse=True)
    records = store.take(index.block[rows], index.offset[rows], RECORD.names).to_pylist()
    shingles = [
        np.unique(shingle_hashes(tokens(conversation_text(Conversation.from_row(record))), SHINGLE))
        for record in records
    ]
    return [jaccard(shingles[left], shingles[right]) for left, right in places.reshape(-1, 2).tolist()]
