from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModel, AutoTokenizer

from octupus.agent.retrieve.corpus import RetrievalCorpus
from octupus.agent.retrieve.encoder import Encoder
from octupus.agent.retrieve.small_encoder import make_small_encoder
from octupus.errors import ConfigError

from .conftest import SMALL

TEXTS = ["rain", "i want euros and yen today", "", "unheard zzz 天气", "tell me of checkmate and queen now " * 30]


def test_vectors_have_length_one_and_do_not_depend_on_the_batch(encoder_directory: Path) -> None:
    encoder = Encoder.open(encoder_directory, max_tokens=64)
    together, apart = encoder.embed(TEXTS), np.concatenate([encoder.embed([text]) for text in TEXTS])
    assert together.shape == (len(TEXTS), SMALL.hidden_size)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert np.allclose(together, apart, atol=1e-5)
    assert np.allclose(together, encoder.embed(TEXTS, batch_size=2), atol=1e-5)
    assert encoder.embed([]).shape[0] == 0


def test_what_is_longer_than_the_limit_is_not_read(encoder_directory: Path) -> None:
    encoder = Encoder.open(encoder_directory, max_tokens=16)
    first, second = encoder.embed(["rain " * 20, "rain " * 20 + "concert " * 50])
    assert np.allclose(first, second, atol=1e-6)


def test_an_untrained_small_encoder_finds_texts_by_the_rare_words_they_share(
    encoder_directory: Path, corpus: RetrievalCorpus
) -> None:
    encoder = Encoder.open(encoder_directory, max_tokens=64)
    documents = encoder.embed([document.text for document in corpus.documents])
    for position, document in enumerate(corpus.documents):
        for query in (f"please help me with {document.id}", f"i want {document.id} and {document.id} today"):
            assert int(np.argmax(documents @ encoder.embed([query])[0])) == position


def test_a_small_encoder_is_a_plain_directory_and_follows_from_its_seed(
    encoder_directory: Path, corpus: RetrievalCorpus, tmp_path: Path
) -> None:
    texts = [document.text for document in corpus.documents] + [query.text for query in corpus.of("train")]
    make_small_encoder(texts, tmp_path / "same", SMALL)
    make_small_encoder(texts, tmp_path / "other", SMALL, seed=1)
    model, tokenizer = AutoModel.from_pretrained(encoder_directory), AutoTokenizer.from_pretrained(encoder_directory)
    assert type(model).__name__ == "BertModel"
    assert tokenizer("rain")["input_ids"][0] == tokenizer.cls_token_id
    vectors = [Encoder.open(path).embed(TEXTS) for path in (encoder_directory, tmp_path / "same", tmp_path / "other")]
    assert np.array_equal(vectors[0], vectors[1])
    assert not np.allclose(vectors[0], vectors[2], atol=1e-2)


def test_what_is_no_encoder_is_refused(tmp_path: Path, encoder_directory: Path) -> None:
    with pytest.raises(ConfigError, match=r"it has no config\.json"):
        Encoder.open(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "nothing"}')
    with pytest.raises(ConfigError, match="no encoder that transformers can load"):
        Encoder.open(tmp_path)
    with pytest.raises(ConfigError, match="reads 512 tokens at most"):
        Encoder.open(encoder_directory, max_tokens=513)
