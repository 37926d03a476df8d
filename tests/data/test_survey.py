"""Corpus files cut into blocks: whatever the cuts, the rows are those of reading the whole."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.data.sources import survey as module
from octupus.data.sources.reader import RawRow, read_block
from octupus.data.sources.survey import Block, survey, unpacked
from octupus.errors import CorpusError

CUTS = (1, 2, 3, 1000)

# Characters of one to four bytes, those that JSON and line ends are made of, and separators that Python splits at.
texts = st.text(st.sampled_from('a"\\/[]{},:\n\r\t \u2028\x85\u00e9\u4e2d\U0001f600\ufeff\x7f0'), max_size=8) | st.text(
    st.characters(codec="utf-8"), max_size=5
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 1234567890123456, 10**25])
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
json_rows = st.lists(json_values, min_size=1, max_size=8)


@contextmanager
def chunk_bytes(size: int) -> Iterator[None]:
    """Files read in chunks of so many bytes, so that everything stands at a border somewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK_BYTES", size)
        yield


def read(path: Path, rows_per_block: int, first_row: int = 0) -> list[RawRow]:
    """All rows, block by block, after checking that the blocks follow each other."""
    blocks = survey(path, rows_per_block, first_row)
    assert blocks[0].first_row == first_row
    assert all(one.first_row + one.rows == next_.first_row for one, next_ in pairwise(blocks))
    if path.suffix != ".parquet":
        assert all(0 < block.rows <= rows_per_block for block in blocks)
    rows = [list(read_block(block)) for block in blocks]
    assert [len(each) for each in rows] == [block.rows for block in blocks]
    assert [row.row for each in rows for row in each] == list(range(first_row, blocks[-1].first_row + blocks[-1].rows))
    return [row for each in rows for row in each]


def same(found: Any, expected: Any) -> bool:
    """Equal, and of equal types: 1 is not 1.0, nor true."""
    return json.dumps(found) == json.dumps(expected)


@given(
    rows=json_rows,
    indent=st.sampled_from([None, 0, 3]),
    ascii_only=st.booleans(),
    bom=st.booleans(),
    crlf=st.booleans(),
    chunk=st.sampled_from([3, 7, 1 << 20]),
)
@settings(max_examples=40, deadline=None)
def test_arrays(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Any],
    indent: int | None,
    ascii_only: bool,
    bom: bool,
    crlf: bool,
    chunk: int,
) -> None:
    path = tmp_path_factory.mktemp("corpus") / "c.json"
    text = json.dumps(rows, indent=indent, ensure_ascii=ascii_only) + "\n"
    text = text.replace("\n", "\r\n") if crlf else text
    path.write_bytes(text.encode("utf-8-sig" if bom else "utf-8"))
    with chunk_bytes(chunk):
        for cut in CUTS:
            found = read(path, cut)
            assert not any(row.problem for row in found)
            assert same([row.value for row in found], rows)
            assert same([json.loads(row.text) for row in found], rows)


@given(
    rows=json_rows,
    ascii_only=st.booleans(),
    bom=st.booleans(),
    ends=st.lists(st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\r\n"]), min_size=8, max_size=8),
    last_end=st.booleans(),
    suffix=st.sampled_from([".jsonl", ".json"]),
)
@settings(max_examples=40, deadline=None)
def test_lines(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Any],
    ascii_only: bool,
    bom: bool,
    ends: list[str],
    last_end: bool,
    suffix: str,
) -> None:
    path = tmp_path_factory.mktemp("corpus") / f"c{suffix}"
    if suffix == ".json":
        rows = [{"value": row} for row in rows]  # a file that begins with a list is taken for an array
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    text = "".join(line + end for line, end in zip(lines, ends, strict=False))
    text = text if last_end else text.rstrip("\r\n \t")
    path.write_bytes(text.encode("utf-8-sig" if bom else "utf-8"))
    for cut in CUTS:
        found = read(path, cut, first_row=5)
        assert not any(row.problem for row in found)
        assert [row.text for row in found] == lines
        assert same([row.value for row in found], rows)


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
@given(contents=st.lists(st.binary(max_size=6), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_bytes_that_are_no_utf8_break_their_own_row_only(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, contents: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("corpus") / f"c{suffix}"
    for outside in (b'"', b"\\", b"\n", b"\r"):
        contents = [content.replace(outside, b"?") for content in contents]
    cells = [b'{"a": "' + content + b'"}' for content in contents]
    path.write_bytes(b"[" + b",\n".join(cells) + b"]" if suffix == ".json" else b"\n".join(cells))
    with chunk_bytes(7):
        for cut in CUTS:
            for row, content in zip(read(path, cut), contents, strict=True):
                good = all(byte >= 32 for byte in content) and content.decode("utf-8", "ignore").encode() == content
                assert bool(row.problem) != good
                assert row.value == ({"a": content.decode("utf-8")} if good else None)
                row.text.encode("utf-8")


def test_a_problem_names_file_line_and_column(tmp_path: Path) -> None:
    lines = tmp_path / "c.jsonl"
    lines.write_bytes(b'{"a": 0}\n\n{"a": }\n{"a": "\xff"}\n{"a": 1')
    array = tmp_path / "c.json"
    array.write_bytes(b'[{"a": NaN},\n {"a": "\xc3\xff"}, {"a": 1e999}, {"a": "\t"}, 5]')
    for cut in CUTS:
        found = [row.problem for row in read(lines, cut)]
        assert found[0] == ""
        assert [problem.split(": ")[0] for problem in found[1:]] == [
            *(f"{lines}:{place}" for place in ("3:7", "4:8", "5:8"))
        ]
        found = [row.problem for row in read(array, cut)]
        assert [bool(problem) for problem in found] == [True, True, True, True, False]
        assert f"{array}: row 1:8: not UTF-8" in found[1]
        assert "NaN" in found[0]
        assert "beyond a double" in found[2]


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        ("[1,\n 2 3]", "2:4", "expecting ',' or ']'"),
        ("[1,\n", "2:1", "Expecting value"),
        ("[1,\n]", "2:1", "Expecting value"),
        ("[", "1:2", "Expecting value"),
        ("[,1]", "1:2", "Expecting value"),
        ("[1,,2]", "1:4", "Expecting value"),
        ('[{"a": 1}\n{"a": 2}]', "2:1", "expecting ',' or ']'"),
        ('[{"é": "é", "中": }]', "1:18", "Expecting value"),
        ("[tru]", "1:2", "Expecting value"),
        ('["abc\n', "1:2", "Unterminated string"),
        ("[1, 2", "1:6", "expecting ',' or ']'"),
    ],
)
@pytest.mark.parametrize("chunk", [3, 7, 1 << 20])
def test_a_broken_array_names_line_and_column(tmp_path: Path, content: str, place: str, words: str, chunk: int) -> None:
    path = tmp_path / "c.json"
    path.write_text(content, "utf-8")
    with chunk_bytes(chunk), pytest.raises(CorpusError) as caught:
        survey(path, 1)
    assert str(caught.value).startswith(f"{path}:{place}: {words}")
    assert "convert it to .jsonl" in str(caught.value)


@pytest.mark.parametrize("number", ["0.5", "-1.25e-10", "1E+5", "12e3", "-0", "1234567.875", "1e5"])
def test_numbers_at_every_chunk_border(tmp_path: Path, number: str) -> None:
    path = tmp_path / "c.json"
    for chunk in range(3, 12):
        path.write_text(f"[{number},{number} , {number}]")
        with chunk_bytes(chunk):
            assert [row.text for row in read(path, 2)] == [number] * 3


def test_deep_arrays_are_an_error_and_deep_lines_a_problem(tmp_path: Path) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    array, lines = tmp_path / "c.json", tmp_path / "c.jsonl"
    array.write_text(f"[1, {deep}]")
    with pytest.raises(CorpusError, match=r"c\.json:1:5: "):
        survey(array, 1)
    lines.write_text(f"1\n{deep}\n2")
    assert [row.problem.rpartition(": ")[2] for row in read(lines, 1)] == ["", "nested deeper than 200", ""]


def test_what_stands_behind_an_array_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text("[1, 2]\n\n")
    assert [row.value for row in read(path, 1)] == [1, 2]


@pytest.mark.parametrize("empty", ["[]", " [ \n ] ", "", "\n\n", "\ufeff", "\ufeff[]"])
def test_no_rows(tmp_path: Path, empty: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(empty, "utf-8")
    with pytest.raises(CorpusError, match=r"c\.json holds no rows"):
        survey(path, 10)


def test_long_rows_end_a_block_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 100)
    rows = ["x" * length for length in (10, 95, 10, 10, 10, 300, 1)]
    for name, text in (("c.jsonl", "\n".join(map(json.dumps, rows))), ("c.json", json.dumps(rows))):
        (tmp_path / name).write_text(text)
        assert [block.rows for block in survey(tmp_path / name, 1000)] == [2, 4, 1]
        assert [row.value for row in read(tmp_path / name, 1000)] == rows


@given(
    groups=st.lists(st.lists(texts, min_size=1, max_size=5), min_size=1, max_size=4), part=st.sampled_from([1, 2, 1000])
)
@settings(max_examples=30, deadline=None)
def test_parquet(tmp_path_factory: pytest.TempPathFactory, groups: list[list[str]], part: int) -> None:
    path = tmp_path_factory.mktemp("corpus") / "c.parquet"
    rows = [[{"conversation": [{"content": text}], "toxic": False, "n": None} for text in group] for group in groups]
    schema = pa.Table.from_pylist([{"conversation": [{"content": ""}], "toxic": False, "n": 1}]).schema
    with pq.ParquetWriter(path, schema) as writer:
        for group in rows:
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PARQUET_ROWS", part)
        found = read(path, 1)
        assert max(block.rows for block in survey(path, 1)) <= part
    expected = [row for group in rows for row in group]
    assert [row.value for row in found] == [row.value for row in read(path, 1000)] == expected
    assert [json.loads(row.text) for row in found] == expected


def test_parquet_values_that_json_has_no_word_for(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    columns = {"when": pa.array([0, 1], pa.timestamp("s")), "raw": [b"\xff", b""], "score": [float("nan"), 0.5]}
    pq.write_table(pa.table(columns), path)
    first, second = read(path, 10)
    assert "NaN" in first.problem
    assert second.value == {"when": "1970-01-01 00:00:01", "raw": "b''", "score": 0.5}


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"x" * 50 + b"PAR1"])
def test_a_broken_parquet_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.parquet"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=r"c\.parquet is no readable parquet file"):
        survey(path, 10)


@given(
    files=st.dictionaries(st.sampled_from(["a", "b", "c/a", "c/b", "ü"]), json_rows, min_size=1),
    cut=st.sampled_from(CUTS),
)
@settings(max_examples=30, deadline=None)
def test_a_directory_of_dialogues(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, list[Any]], cut: int
) -> None:
    directory = tmp_path_factory.mktemp("corpus")
    for name, rows in files.items():
        path = directory / f"{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n\n".join(map(json.dumps, rows)), "utf-8-sig")
    (directory / "notes.txt").write_text("no row")
    found = read(directory, cut)
    expected = [{"file": f"{name}.jsonl", "lines": files[name]} for name in sorted(files)]
    assert same([row.value for row in found], expected)
    assert same([json.loads(row.text) for row in found], expected)


def test_a_broken_dialogue_is_one_broken_row(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"a": }\n')
    (tmp_path / "b.jsonl").write_text('{"a": 1}\n')
    first, second = read(tmp_path, 1)
    assert first.problem.startswith(f"{tmp_path / 'a.jsonl'}:2:7: ")
    assert second.value == {"file": "b.jsonl", "lines": [{"a": 1}]}


@pytest.mark.parametrize("name", ["c.json", "c.jsonl"])
def test_compressed_files(tmp_path: Path, name: str) -> None:
    rows = [{"a": "é" * number} for number in range(20)]
    text = json.dumps(rows) if name == "c.json" else "\n".join(map(json.dumps, rows))
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    plain = unpacked(packed, scratch)
    assert plain.parent == scratch
    assert [row.value for row in read(plain, 3)] == rows
    assert unpacked(plain, scratch) == plain
    whole = packed.read_bytes()
    flipped = whole[:10] + b"\xff" + whole[11:]  # the first byte behind the header says how the rest is packed
    for broken in (whole[:-9], b"no gzip", flipped, whole[:-8] + b"12345678"):
        packed.write_bytes(broken)
        with pytest.raises(CorpusError, match=r"\.gz is no readable gzip file: .*; download it again"):
            unpacked(packed, scratch)


def test_files_of_one_name_unpack_apart(tmp_path: Path) -> None:
    plain = []
    for name in ("a", "b"):
        packed = tmp_path / name / "c.jsonl.gz"
        packed.parent.mkdir()
        packed.write_bytes(gzip.compress(f'"{name}"'.encode()))
        plain.append(unpacked(packed, tmp_path))
    assert [row.value for path in plain for row in read(path, 1)] == ["a", "b"]


def test_missing_and_unknown_files(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="does not exist"):
        survey(tmp_path / "absent.json", 1)
    (tmp_path / "c.csv").write_text("a")
    with pytest.raises(CorpusError, match=r"none of \.json, \.jsonl, \.parquet"):
        survey(tmp_path / "c.csv", 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="holds no rows"):
        survey(tmp_path / "empty", 1)


def test_blocks_are_small_to_send(tmp_path: Path) -> None:
    """A task gets the place of its rows, never the rows."""
    path = tmp_path / "c.jsonl"
    path.write_text("\n".join(map(str, range(10))))
    first, second, *others = survey(path, 3)
    assert first == Block("lines", path, 0, 3, 0, 6)
    assert second == Block("lines", path, 3, 3, 6, 12, 4)
    assert len(others) == 2
