"""A small corpus and an untrained encoder that several test files share."""

from pathlib import Path

import pytest

from octupus.agent.retrieve.config import SmallEncoderConfig
from octupus.agent.retrieve.corpus import RetrievalCorpus

from .small_corpus import small_corpus

SMALL = SmallEncoderConfig(hidden_size=32, layers=1, heads=2, vocabulary=400)


@pytest.fixture(scope="session")
def corpus() -> RetrievalCorpus:
    return small_corpus()


@pytest.fixture(scope="session")
def encoder_directory(corpus: RetrievalCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from octupus.agent.retrieve.small_encoder import make_small_encoder

    directory = tmp_path_factory.mktemp("encoder")
    texts = [document.text for document in corpus.documents] + [query.text for query in corpus.of("train")]
    make_small_encoder(texts, directory, SMALL)
    return directory
