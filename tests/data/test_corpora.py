"""The registered corpora: each complete, each found by its names, and none trained on against its terms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from octupus.data.config import PrepareConfig
from octupus.data.sources.corpora import CORPORA, Corpus, corpus_named
from octupus.data.sources.registry import FORMATS
from octupus.data.sources.resolve import files_of, input_sha256, resolve
from octupus.errors import CorpusError

UNTRAINABLE = [name for name, corpus in CORPORA.items() if corpus.not_for_training]


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=list(CORPORA))
def test_every_corpus_is_complete(corpus: Corpus) -> None:
    assert corpus.form in FORMATS
    assert corpus.licence
    assert corpus.language
    assert all(split and pattern for split, pattern in corpus.splits.items())
    assert ":" not in corpus.name  # a mixture file separates with it
    assert corpus_named(corpus.name) is corpus
    assert corpus_named(corpus.repository) is corpus
    # What is on the hub has a name that the hub takes: owner/name.
    assert not corpus.splits or corpus.repository.count("/") == 1


def test_names_are_unique_and_evaluation_sets_are_marked() -> None:
    names = [name for corpus in CORPORA.values() for name in (corpus.name, corpus.repository)]
    assert len(names) == len(set(names))
    assert {"bfcl", "taubench", "apibank", "hammer_eval", "sealtools_test", "toolalpaca_test"} <= set(UNTRAINABLE)
    assert not {"toolace", "hermes", "wildchat", "xlam", "oasst"} & set(UNTRAINABLE)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("toolacee", "toolace"), ("allenai/WildChat1M", "allenai/WildChat-1M"), ("open_hermes", "openhermes"), ("?!", "")],
)
def test_unknown_names_list_the_known_ones_with_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(CorpusError) as caught:
        corpus_named(name)
    message = str(caught.value)
    assert message.startswith(f"unknown corpus {name!r}")
    assert (f"did you mean {meant!r}?" in message) if meant else ("did you mean" not in message)
    assert all(each in message for each in CORPORA)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"instruction": "a", "output": "b"}]))
    return path


def config(file: Path, corpora: list[str], **changes: Any) -> PrepareConfig:
    sources = [{"name": f"my_{corpus}", "corpus": corpus, "path": file} for corpus in corpora]
    return PrepareConfig.model_validate({"model": "m", "output": "out", "sources": sources} | changes)


@pytest.mark.parametrize("corpus", UNTRAINABLE)
def test_untrainable_corpora_are_refused_in_the_mixture(file: Path, corpus: str) -> None:
    mixture = [{"source": f"my_{corpus}"}]
    for each in (config(file, [corpus]), config(file, [corpus], mixture=mixture)):
        with pytest.raises(CorpusError) as caught:
            resolve(each)
        for word in (f"'my_{corpus}'", corpus, CORPORA[corpus].not_for_training, "--allow_untrainable true"):
            assert word in str(caught.value)
    (allowed,) = resolve(config(file, [corpus], allow_untrainable=True))
    assert (allowed.form, allowed.files) == (CORPORA[corpus].form, (file,))


def test_sources_outside_the_mixture_are_fine(file: Path) -> None:
    sources = resolve(config(file, ["bfcl", "toolace"], mixture=[{"source": "my_toolace"}]))
    assert [source.name for source in sources] == ["my_bfcl", "my_toolace"]


def test_a_named_format_outweighs_the_corpus_and_own_files_are_looked_at(file: Path) -> None:
    sources = [
        {"name": "a", "corpus": "toolace", "path": file, "format": "sharegpt"},
        {"name": "b", "corpus": "toolace", "path": file},
        {"name": "c", "path": file},
    ]
    values = {"model": "m", "output": "out", "sources": sources}
    assert [each.form for each in resolve(PrepareConfig.model_validate(values))] == ["sharegpt", "toolace", "auto"]


def test_patterns_and_missing_files(tmp_path: Path) -> None:
    for name in ("b-2.json", "b-10.json", "a.json"):
        (tmp_path / name).write_text("[1]")
    assert [path.name for path in files_of(tmp_path / "b-*.json", "source 'x'")] == ["b-10.json", "b-2.json"]
    assert files_of(tmp_path / "a.json", "source 'x'") == (tmp_path / "a.json",)
    with pytest.raises(CorpusError, match=r"no file matches .*c-\*\.json of source 'x'; correct the pattern"):
        files_of(tmp_path / "c-*.json", "source 'x'")
    with pytest.raises(CorpusError, match=r"c\.json of source 'x' does not exist"):
        files_of(tmp_path / "c.json", "source 'x'")


def test_a_directory_has_the_hash_of_its_names_and_files(tmp_path: Path) -> None:
    directory = tmp_path / "d"
    (directory / "sub").mkdir(parents=True)
    (directory / "sub" / "a.jsonl").write_text("{}")
    first = input_sha256(directory)
    (directory / "notes.txt").write_text("not read")
    assert input_sha256(directory) == first
    (directory / "sub" / "a.jsonl").rename(directory / "a.jsonl")
    moved = input_sha256(directory)
    (directory / "a.jsonl").write_text("{ }")
    assert len({first, moved, input_sha256(directory)}) == 3
