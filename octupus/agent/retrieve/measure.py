"""What a retriever reaches on the held-out queries of a corpus."""

from __future__ import annotations

import numpy as np

from octupus.agent.retrieve.corpus import RetrievalCorpus
from octupus.agent.retrieve.encoder import Encoder
from octupus.agent.retrieve.metrics import CUTOFFS, mean_metrics
from octupus.agent.retrieve.ranking import Retriever, best


def measure_encoder(encoder: Encoder, corpus: RetrievalCorpus) -> dict[str, float]:
    """ndcg_1, ndcg_3, ndcg_5 and recall_5 of the test queries over all documents, by cosine."""
    queries, ids = corpus.of("test"), [document.id for document in corpus.documents]
    documents = encoder.embed([document.text for document in corpus.documents])
    vectors = encoder.embed([query.text for query in queries])
    rankings = [[identity for identity, _ in best(ids, documents @ np.asarray(each), max(CUTOFFS))] for each in vectors]
    return mean_metrics(rankings, [query.relevant for query in queries])


def measure(retriever: Retriever, corpus: RetrievalCorpus) -> dict[str, float]:
    """The same for any retriever, query by query."""
    queries = corpus.of("test")
    rankings = [[identity for identity, _ in retriever.rank(query.text, max(CUTOFFS))] for query in queries]
    return mean_metrics(rankings, [query.relevant for query in queries])
