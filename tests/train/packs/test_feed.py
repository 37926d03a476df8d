from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from octupus.errors import ManifestError
from octupus.train.packs.feed import IGNORED, Document, PackFeed, collate, empty_pack
from octupus.train.packs.prepared import read_prepared

documents = st.lists(
    st.lists(st.tuples(st.integers(0, 300), st.booleans()), min_size=1, max_size=12).map(
        lambda pairs: Document([token for token, _ in pairs], [trained for _, trained in pairs])
    ),
    min_size=1,
    max_size=6,
)


@given(documents, st.integers(0, 100))
def test_a_pack_is_its_documents_side_by_side(given_documents: list[Document], pad_to: int) -> None:
    pack = collate(given_documents, pad_to)
    lengths = [len(document.ids) for document in given_documents]
    length = sum(lengths)
    padded = [*lengths, pad_to - length] if pad_to > length else lengths
    assert pack.cumulative_lengths.dtype == torch.int32
    assert pack.cumulative_lengths.diff().tolist() == padded
    assert pack.longest == max(padded)
    assert pack.tokens == length
    assert pack.predicting.tolist() == [place - 1 for place in torch.nonzero(pack.labels[0] != IGNORED)[:, 0].tolist()]
    for tensor in (pack.input_ids, pack.position_ids, pack.labels):
        assert tensor.shape == (1, max(length, pad_to))
        assert tensor.dtype == torch.int64
    start = 0
    for document in given_documents:
        end = start + len(document.ids)
        assert pack.input_ids[0, start:end].tolist() == document.ids
        assert pack.position_ids[0, start:end].tolist() == list(range(len(document.ids)))
        expected = [token if on else IGNORED for token, on in zip(document.ids, document.trained, strict=True)]
        assert pack.labels[0, start:end].tolist() == [IGNORED, *expected[1:]]
        start = end
    assert (pack.labels[0, length:] == IGNORED).all()
    assert pack.position_ids[0, length:].tolist() == list(range(max(0, pad_to - length)))
    assert pack.trained_tokens == sum(sum(document.trained[1:]) for document in given_documents)


@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
def test_ids_count_over_shards_and_row_groups(prepared_directory: Path, cache_bytes: int) -> None:
    prepared = read_prepared(prepared_directory)
    feed = PackFeed(prepared.shards, cache_bytes)
    rows = pa.concat_tables([pq.read_table(shard) for shard in prepared.shards]).to_pylist()
    assert len(feed) == len(rows) == prepared.packs
    for pack_id in [*reversed(range(len(feed))), *range(len(feed))]:
        found = feed.documents(pack_id)
        assert [token for document in found for token in document.ids] == rows[pack_id]["input_ids"]
        assert [on for document in found for on in document.trained] == rows[pack_id]["trained"]
        assert [len(document.ids) for document in found] == rows[pack_id]["lengths"]


def test_an_empty_pack_is_only_padding() -> None:
    pack = empty_pack()
    assert (pack.tokens, pack.trained_tokens, pack.input_ids.numel()) == (0, 0, 2)


@pytest.mark.parametrize("loss", ["truncated", "deleted"])
def test_a_shard_lost_while_training_is_an_error_that_names_it(tmp_path: Path, loss: str) -> None:
    random = np.random.default_rng(0)
    rows = [{"input_ids": random.integers(0, 9999, 500), "trained": [True] * 500, "lengths": [500]} for _ in range(9)]
    shard = tmp_path / "packs.parquet"
    pq.write_table(pa.Table.from_pylist(rows), shard, row_group_size=3)
    feed = PackFeed([shard], cache_bytes=0)
    feed.documents(0)
    if loss == "truncated":
        shard.write_bytes(shard.read_bytes()[:1000])
    else:
        shard.unlink()
    with pytest.raises(ManifestError, match=rf"cannot read pack 8 from .*{shard.name}"):
        feed.documents(8)
    with pytest.raises(ManifestError, match=f"cannot read .*{shard.name}"):
        PackFeed([shard])


def test_a_file_of_other_columns_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"input_ids": [[1]]}), tmp_path / "packs.parquet")
    with pytest.raises(ManifestError, match="lacks the columns"):
        PackFeed([tmp_path / "packs.parquet"])


@pytest.mark.parametrize("pack_id", [-1, 20])
def test_an_unknown_pack_is_an_error(prepared_directory: Path, pack_id: int) -> None:
    with pytest.raises(ManifestError, match=f"pack {pack_id} does not exist; the shards hold 20"):
        PackFeed(read_prepared(prepared_directory).shards).documents(pack_id)


@pytest.mark.parametrize(
    "row",
    [
        {"input_ids": [1, 2, 3], "trained": [True, True], "lengths": [3]},
        {"input_ids": [1, 2, 3], "trained": [True] * 3, "lengths": [2]},
        {"input_ids": [1, 2, 3], "trained": [True] * 3, "lengths": [3, 0]},
        {"input_ids": [], "trained": [], "lengths": []},
        {"input_ids": None, "trained": [True], "lengths": [1]},
    ],
)
def test_an_inconsistent_row_is_an_error(tmp_path: Path, row: dict[str, list[int]]) -> None:
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "packs.parquet")
    with pytest.raises(ManifestError, match="pack 0 is damaged"):
        PackFeed([tmp_path / "packs.parquet"]).documents(0)
