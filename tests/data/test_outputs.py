"""Configuration, manifest, staging, accounting, shards and report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.config import resolve
from octupus.data.accounting import AccountingError, NothingKeptError, count_sources, require_kept
from octupus.data.config import PrepareConfig
from octupus.data.manifest import Manifest, Shard, SourceCounts, file_sha256, read_manifest, verify, write_manifest
from octupus.data.report import Examined, write_report
from octupus.data.shards import Document, write_shards
from octupus.data.staging import refuse_foreign, staged
from octupus.errors import ConfigError, ManifestError

MANIFEST = Manifest(
    packs=1,
    tokens=3,
    trained_tokens=1,
    conversations=1,
    token_budget=4,
    fill=0.75,
    seed=1,
    dialect="octupus",
    tokenizer_sha256="a",
    template_sha256="b",
    shards=(),
    sources={"s": SourceCounts(read=2, kept=1, dropped={"too_long": 1})},
    kinds={"chat": 1},
    languages={"en": 1},
    inputs=(),
)


def configuration(**changes: Any) -> dict[str, Any]:
    source = {"name": "chat", "path": "corpora/chat.json"}
    return {"model": "models/m", "output": "out", "sources": [source], **changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mixture": [{"source": "chatt"}]}, ["'chatt'", "known sources: chat"]),
        ({"mixture": [{"source": "chat", "split": "dev"}]}, ["'dev'", "'chat'", "only: train"]),
        ({"mixture": [{"source": "chat"}, {"source": "chat"}]}, ["'chat'", "twice"]),
        ({"mixture": [{"source": "chat", "ratio": 0}]}, ["mixture.0.ratio", "greater than 0"]),
        ({"sources": [{"name": "a", "path": "x"}, {"name": "a", "path": "y"}]}, ["'a'", "another name or split"]),
        ({"sources": []}, ["sources", "at least 1"]),
        ({"output": "corpora"}, ["corpora/chat.json", "another output"]),
        ({"output": "models"}, ["models/m", "another output"]),
        ({"token_budgett": 5}, ["'token_budget'"]),
    ],
)
def test_configuration_errors_name_values_and_the_fix(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(PrepareConfig, configuration(**changes))
    for word in words:
        assert word in str(caught.value)


def test_manifest_round_trip(tmp_path: Path) -> None:
    write_manifest(tmp_path, MANIFEST)
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert written["format"] == "octupus-packs/1"
    assert written["sources"] == {"s": {"in": 2, "kept": 1, "dropped": {"too_long": 1}}}
    assert read_manifest(tmp_path) == MANIFEST


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": "octupus-packs/2"}'])
def test_other_manifests_are_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(ManifestError, match="no finished prepared data"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ManifestError, match="octupus-packs/1"):
        read_manifest(tmp_path)


def test_missing_and_damaged_shards(tmp_path: Path) -> None:
    path = tmp_path / "packs-00000.parquet"
    path.write_bytes(b"abc")
    manifest = MANIFEST.model_copy(update={"shards": (Shard(file=path.name, sha256=file_sha256(path), packs=1),)})
    verify(tmp_path, manifest)
    path.write_bytes(b"abd")
    with pytest.raises(ManifestError, match="damaged"):
        verify(tmp_path, manifest)
    path.unlink()
    with pytest.raises(ManifestError, match="missing"):
        verify(tmp_path, manifest)


def test_output_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    output = tmp_path / "out"

    def fail() -> None:
        with staged(output) as directory:
            (directory / "half").write_text("x")
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert list(tmp_path.iterdir()) == []
    for content in ("1", "2"):
        with staged(output) as directory:
            assert output.exists() == (content == "2")
            (directory / "file").write_text(content)
        assert (output / "file").read_text() == content
        assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_foreign_output_is_not_replaced(tmp_path: Path) -> None:
    refuse_foreign(tmp_path)
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(ManifestError, match="no prepared data"):
        refuse_foreign(tmp_path)
    with pytest.raises(ManifestError, match="is a file"):
        refuse_foreign(tmp_path / "thesis.txt")


def test_accounting() -> None:
    counts = count_sources({"a": 3, "b": 1}, ["a"], [("a", "x"), ("a", "y"), ("b", "x")])
    assert (counts["a"].read, counts["a"].kept, counts["a"].dropped) == (3, 1, {"x": 1, "y": 1})
    with pytest.raises(AccountingError, match="do not add up"):
        count_sources({"a": 3}, ["a"], [("a", "x")])
    with pytest.raises(NothingKeptError, match="x 1"):
        require_kept(count_sources({"b": 1}, [], [("b", "x")]))


@given(lengths=st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_shards_hold_the_packs(tmp_path_factory: pytest.TempPathFactory, lengths: list[list[int]]) -> None:
    directory = tmp_path_factory.mktemp("shards")
    documents: list[Document] = []
    packs: list[list[int]] = []
    for pack in lengths:
        packs.append(list(range(len(documents), len(documents) + len(pack))))
        for length in pack:
            ids = np.arange(length, dtype=np.int32) + 10 * len(documents)
            documents.append(Document(ids, ids % 2 == 0))
    shards = write_shards(directory, documents, packs, packs_per_shard=2)
    read = [row for shard in shards for row in pq.read_table(directory / shard.file).to_pylist()]
    assert [shard.packs for shard in shards] == [len(packs[start : start + 2]) for start in range(0, len(packs), 2)]
    assert [row["lengths"] for row in read] == lengths
    for row, pack in zip(read, packs, strict=True):
        assert row["input_ids"] == [int(each) for position in pack for each in documents[position].ids]
        assert row["trained"] == [bool(each) for position in pack for each in documents[position].trained]
    again = write_shards(directory, documents, packs, packs_per_shard=2)
    assert again == shards


def test_the_report_escapes_what_corpora_say(tmp_path: Path) -> None:
    drop = {
        "source": "s",
        "split": "train",
        "row": 1,
        "stage": "tokenise",
        "reason": "too_long",
        "detail": "<script>alert(1)</script>",
        "excerpt": "$x$ & y",
    }
    write_report(tmp_path, MANIFEST, Examined([drop], [3], [0.75]))
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert "$x$ &amp; y" in page
