"""The order of training: which pairs form the batch of a worker at a step, as a pure function of the seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from octupus.agent.retrieve.contrastive import Pair
from octupus.agent.retrieve.corpus import RetrievalCorpus

_OPEN = 64
"""Batches that are being filled at once where pairs are kept apart. It bounds the time for a pair."""

Batch = tuple[int, ...]
"""Positions in the list of pairs."""


def training_pairs(corpus: RetrievalCorpus) -> list[Pair]:
    """One pair for each relevant document of each query of the train side."""
    texts = {document.id: document.text for document in corpus.documents}
    return [
        Pair(query.text, texts[identity], identity, frozenset(query.relevant))
        for query in corpus.of("train")
        for identity in query.relevant
    ]


def epoch_batches(pairs: Sequence[Pair], size: int, apart: bool, workers: int, seed: int, epoch: int) -> list[Batch]:
    """The batches of an epoch, every pair in one of them; step s of a worker takes number `s * workers + rank`.

    `apart` puts pairs that exclude each other into different batches. The first batches come again at the end where
    the workers' last step would lack some.
    """
    order = list(range(len(pairs)))
    random.Random(f"{seed}:{epoch}").shuffle(order)
    if apart:
        batches = _apart(pairs, order, size)
        random.Random(f"{seed}:{epoch}:batches").shuffle(batches)  # else all short ones would come last
    else:
        batches = [tuple(order[start : start + size]) for start in range(0, len(order), size)]
    full = list(batches)
    while len(batches) % workers:
        batches.append(full[len(batches) % len(full)])
    return batches


def _apart(pairs: Sequence[Pair], order: Sequence[int], size: int) -> list[Batch]:
    """First fit into at most `_OPEN` batches; the oldest is closed for a pair that fits into none."""
    closed: list[Batch] = []
    filling: list[list[int]] = []
    for position in order:
        for batch in filling:
            if not any(pairs[position].excludes(pairs[other]) for other in batch):
                batch.append(position)
                break
        else:
            if len(filling) == _OPEN:
                closed.append(tuple(filling.pop(0)))
            batch = [position]
            filling.append(batch)
        if len(batch) == size:
            closed.append(tuple(batch))
            filling.remove(batch)
    return closed + [tuple(batch) for batch in filling]
