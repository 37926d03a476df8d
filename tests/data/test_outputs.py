"""Configuration, manifest, staging, shards, drops and report."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.config import resolve
from octupus.data import assemble
from octupus.data.config import PrepareConfig
from octupus.data.manifest import (
    AugmentCounts,
    InputFile,
    Manifest,
    MixtureCounts,
    Shard,
    SourceCounts,
    StageCounts,
    file_sha256,
    read_manifest,
    verify,
    write_manifest,
)
from octupus.data.records import BLOCK, DROP
from octupus.data.report import EXAMPLES, Examined, write_report
from octupus.data.shards import write_shard
from octupus.data.staging import refuse_foreign, remove_abandoned, staged
from octupus.data.store import Store, runs, write_table
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
    code_sha256="c",
    sources={
        "s": SourceCounts(
            rows=1,
            read=2,
            kept=1,
            dropped={"too_long": 1},
            stages={
                "read": StageCounts(read=2, kept=2, dropped={}),
                "tokenise": StageCounts(read=2, kept=1, dropped={"too_long": 1}),
            },
        )
    },
    mixture=(MixtureCounts(source="s", split="train", ratio=0.29, conversations=1, tokens=3, trained_tokens=1),),
    augmented={"name_masking": AugmentCounts(made=2, kept=1, dropped={"too_long": 1})},
    kinds={"chat": 1},
    languages={"en": 1},
    flags={"masked_schema_error": 1},
    inputs=(InputFile(path="chat.json", sha256="d"),),
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
        ({"sources": []}, ["sources is empty", "mixture_file"]),
        ({"sources": [{"name": "a"}]}, ["'a' has neither a path nor a corpus"]),
        ({"sources": [{"name": "a", "corpus": "toolase"}]}, ["unknown corpus 'toolase'", "'toolace'"]),
        ({"sources": [{"name": "a", "corpus": "toolace", "split": "dev"}]}, ["no split 'dev'", "train"]),
        ({"sources": [{"name": "a", "corpus": "toolbench"}]}, ["not on the hub"]),
        ({"sources": [{"name": "a", "path": "x", "format": "csv"}]}, ["'csv'", "known formats: auto, toolace"]),
        ({"mixture": [{"source": "chat"}], "mixture_file": "m.conf"}, ["both given"]),
        ({"mixture": [{"source": "chat", "ratio": float("inf")}]}, ["mixture.0.ratio", "finite"]),
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
    source = written["sources"]["s"]
    assert {name: source[name] for name in ("in", "kept", "dropped")} == {
        "in": 2,
        "kept": 1,
        "dropped": {"too_long": 1},
    }
    assert source["rows"] == 1
    assert source["stages"]["tokenise"] == {"in": 2, "kept": 1, "dropped": {"too_long": 1}}
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


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    output = tmp_path / "out[1]"
    abandoned = f".out[1].partial-{platform.node()}"
    gone = next(number for number in range(4_000_000, 5_000_000) if not Path(f"/proc/{number}").exists())
    left = [f"{abandoned}-{gone}", f"{abandoned}-{os.getpid()}"]
    stays = [
        f"{abandoned}-{os.getppid()}",
        f".out[1].partial-elsewhere-{gone}",
        f".out1.partial-{platform.node()}-{gone}",
    ]
    for name in left + stays:
        (tmp_path / name / "packs").mkdir(parents=True)
    remove_abandoned(output)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(stays)


def test_a_count_leaves_nothing(tmp_path: Path) -> None:
    output = tmp_path / "new" / "out"
    with staged(output, keep=False) as directory:
        (directory / "block").write_text("x")
    assert list((tmp_path / "new").iterdir()) == []


def table_of(documents: list[list[int]]) -> pa.Table:
    trained = [[token % 2 == 0 for token in document] for document in documents]
    columns = {"ids": pa.array(documents, BLOCK.field("ids").type)}
    return pa.table(columns | {"trained": pa.array(trained, BLOCK.field("trained").type)})


@given(
    lengths=st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), min_size=1, max_size=6), chunks=st.booleans()
)
@settings(max_examples=30, deadline=None)
def test_shards_hold_the_packs(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[list[int]], chunks: bool
) -> None:
    path = tmp_path_factory.mktemp("shards") / "packs.parquet"
    flat = [length for pack in lengths for length in pack]
    documents = [[10 * number + token for token in range(length)] for number, length in enumerate(flat)]
    half = len(documents) // 2
    table = table_of(documents)
    if chunks and half:
        table = pa.concat_tables([table_of(documents[:half]), table_of(documents[half:])])
    sizes = np.array([len(pack) for pack in lengths], np.int64)
    write_shard(path, table, sizes)
    read = pq.read_table(path).to_pylist()
    assert [row["lengths"] for row in read] == lengths
    tokens = [token for document in documents for token in document]
    assert [token for row in read for token in row["input_ids"]] == tokens
    assert [mask for row in read for mask in row["trained"]] == [token % 2 == 0 for token in tokens]
    assert [len(row["input_ids"]) for row in read] == [len(row["trained"]) for row in read] == list(map(sum, lengths))
    first = path.read_bytes()
    write_shard(path, table_of(documents), sizes)
    assert path.read_bytes() == first


@given(st.lists(st.integers(0, 3), max_size=20))
def test_runs(values: list[int]) -> None:
    spans = list(runs(np.array(values, np.int32)))
    assert [value for start, end in spans for value in values[start:end]] == values
    assert all(len(set(values[start:end])) == 1 for start, end in spans)
    assert all(values[end] != values[end - 1] for _, end in spans[:-1])


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
@settings(max_examples=30, deadline=None)
def test_the_store_gives_any_rows_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    for block, size in enumerate(sizes):
        names = [f"{block}-{offset}" for offset in range(size)]
        write_table(
            store.rows_file(block), pa.table({"id": names, "flags": [[name] for name in names], "other": names})
        )
    every = [(block, offset) for block, size in enumerate(sizes) for offset in range(size)]
    wanted = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=10))
    blocks, offsets = np.array(wanted, np.int32).T
    taken = store.take(blocks, offsets, ["id", "flags"])
    assert taken.column_names == ["id", "flags"]
    assert taken["id"].to_pylist() == [f"{block}-{offset}" for block, offset in wanted]
    assert taken["flags"].to_pylist() == [[f"{block}-{offset}"] for block, offset in wanted]
    assert {path.name for path in store.directory.iterdir()} == {f"{block:06d}.arrow" for block in range(len(sizes))}


def drop(row: int, **changes: Any) -> dict[str, Any]:
    values = {"source": "s", "split": "train", "row": row, "part": 0, "stage": "tokenise", "reason": "too_long"}
    return values | {"detail": "5 tokens", "excerpt": "x"} | changes


def drops(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=DROP)


def test_drops_are_written_in_row_groups_of_one_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemble, "ROWS_PER_FILE", 3)
    path = tmp_path / "drops.parquet"
    written = []
    for sizes in ((1, 0, 6, 1), (4, 4)):
        numbers = iter(range(8))
        tables = [drops(*(drop(next(numbers)) for _ in range(size))) for size in sizes]
        assemble.write_drops(path, iter(tables))
        assert pq.read_table(path)["row"].to_pylist() == list(range(8))
        metadata = pq.read_metadata(path)
        assert [metadata.row_group(number).num_rows for number in range(3)] == [3, 3, 2]
        written.append(path.read_bytes())
    assert written[0] == written[1]
    assemble.write_drops(path, iter(()))
    assert pq.read_table(path).schema.names == DROP.names


def examined() -> Examined:
    return Examined(np.array([3], np.int32), np.array([0.75]))


def test_the_first_drops_of_each_source_and_reason_are_examples() -> None:
    kept = examined()
    tables = [
        drops(*(drop(row) for row in range(2)), drop(2, reason="toxic")),
        drops(),
        drops(*(drop(row) for row in range(3, 9)), drop(9, source="t")),
    ]
    assert list(kept.watched(iter(tables))) == tables
    places = [(each["source"], each["row"]) for each in kept.examples["too_long"]]
    assert places == [("s", 0), ("s", 1), ("s", 3), ("t", 9)]
    assert EXAMPLES == 3
    assert [each["row"] for each in kept.examples["toxic"]] == [2]


def test_the_report_says_what_became_of_the_rows(tmp_path: Path) -> None:
    write_report(tmp_path, MANIFEST, examined(), {"type": 4, "enum": 7})
    page = (tmp_path / "report.html").read_text("utf-8")
    for words in ("masked_schema_error", "too_long 1", "0.29", "75.00%", "chat.json", "50.0%"):
        assert words in page
    assert page.index("enum") < page.index(">type<")


def test_the_report_escapes_what_corpora_say(tmp_path: Path) -> None:
    kept = examined()
    table = drops(drop(1, detail="<script>alert(1)</script>", excerpt="$x$ & y"))
    list(kept.watched(iter([table])))
    write_report(tmp_path, MANIFEST, kept, {"<b>": 1})
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert "<b>" not in page
    assert "$x$ &amp; y" in page


def test_an_empty_report(tmp_path: Path) -> None:
    source = SourceCounts(rows=1, read=1, kept=1, dropped={}, stages={})
    plain = MANIFEST.model_copy(update={"sources": {"s": source}, "flags": {}})
    write_report(tmp_path, plain, examined(), {})
    page = (tmp_path / "report.html").read_text("utf-8")
    for words in ("No conversation was dropped.", "No kept conversation was changed.", "No conversation has tools."):
        assert words in page
