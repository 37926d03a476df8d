from pathlib import Path

import numpy as np
import pytest

from octupus.agent.retrieve.corpus import Document, RetrievalCorpus
from octupus.agent.retrieve.encoder import Encoder
from octupus.agent.retrieve.index import Index, build_index, document_of
from octupus.agent.tools.toolbox import ToolEntry
from octupus.conversation import FunctionDefinition, Tool
from octupus.errors import ConfigError


@pytest.fixture(scope="module")
def directory(corpus: RetrievalCorpus, encoder_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("index") / "index"
    build_index(corpus.documents, encoder_directory, 64, target)
    return target


def test_an_index_answers_as_its_encoder_does(
    directory: Path, corpus: RetrievalCorpus, encoder_directory: Path
) -> None:
    index = Index.open(directory)
    encoder = Encoder.open(encoder_directory, 64)
    cosines = encoder.embed([document.text for document in corpus.documents]) @ encoder.embed(["a chess opening"])[0]
    ranked = index.rank("a chess opening", 6)
    assert [identity for identity, _ in ranked] == [corpus.documents[place].id for place in np.argsort(-cosines)]
    assert np.allclose([score for _, score in ranked], np.sort(cosines)[::-1], atol=1e-6)
    assert list(index.documents.values()) == list(corpus.documents)
    assert [identity for identity, _ in index.rank("chess", 3, only=["music", "gone"])] == ["music"]


@pytest.mark.parametrize("method", ["encoder", "bm25", "fused"])
def test_every_method_finds_a_tool_by_its_name(directory: Path, method: str, corpus: RetrievalCorpus) -> None:
    retriever = Index.open(directory).retriever(method)  # type: ignore[arg-type]
    for document in corpus.documents:
        assert retriever.rank(f"help me with {document.id}", 1)[0][0] == document.id


def test_an_index_that_was_changed_is_refused(corpus: RetrievalCorpus, encoder_directory: Path, tmp_path: Path) -> None:
    target = tmp_path / "index"
    build_index(corpus.documents[:3], encoder_directory, 64, target)
    build_index(corpus.documents, encoder_directory, 64, target)  # replaces the first
    assert len(Index.open(target).documents) == 6
    vectors = np.load(target / "vectors.npy")
    vectors[0, 0] += 1
    np.save(target / "vectors.npy", vectors)
    with pytest.raises(ConfigError, match="not those that"):
        Index.open(target)
    (target / "index.json").unlink()
    with pytest.raises(ConfigError, match="is no index"):
        Index.open(target)


def test_what_is_no_index_stays(encoder_directory: Path, tmp_path: Path, corpus: RetrievalCorpus) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "mine.txt").write_text("mine")
    with pytest.raises(Exception, match="cannot write the index"):
        build_index(corpus.documents, encoder_directory, 64, tmp_path / "work")
    assert (tmp_path / "work" / "mine.txt").read_text() == "mine"


def test_documents_need_ids_of_their_own(encoder_directory: Path, tmp_path: Path) -> None:
    for documents in ([], [Document("a", "x"), Document("a", "y")]):
        with pytest.raises(ConfigError, match="an id of its own"):
            build_index(documents, encoder_directory, 64, tmp_path / "index")


def test_a_tool_becomes_a_document_under_the_name_that_it_is_called_by() -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "Where."}, "days": {"type": "integer"}},
        "required": ["city"],
    }
    function = FunctionDefinition(name="get_forecast", description="Weather to come.", parameters=schema)
    document = document_of(ToolEntry(Tool(function=function), "Weather", "weather", "forecast"))
    assert document == Document(
        "get_forecast",
        'Weather, weather, forecast, Weather to come., required_params: ["city: Where."], optional_params: ["days"]',
        {"category": "Weather", "tool": "weather", "api": "forecast"},
    )
