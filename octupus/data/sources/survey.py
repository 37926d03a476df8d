"""Cuts corpus files into blocks of rows that tasks read on their own, in one pass and little memory."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from octupus.errors import CorpusError

Kind = Literal["lines", "array", "parquet", "files"]

SUFFIXES = (".json", ".jsonl", ".parquet")
BOM = b"\xef\xbb\xbf"
WHITESPACE = " \t\r\n"
LENIENT_DECODER = json.JSONDecoder(strict=False)
"""Finds where an element ends, also of one whose values a strict reader refuses; that is told row by row."""
_BEGUN = ("", ".", "e", "E", "e+", "e-", "E+", "E-")
"""What a number may be cut off behind, at the end of what is read."""
_BLOCK_BYTES = 32 << 20  # a block of long rows is cut before it needs a worker's memory
_CHUNK_BYTES = 1 << 20
_LARGEST_ELEMENT = 256 << 20
_PARQUET_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of one corpus file."""

    kind: Kind
    path: Path
    first_row: int
    """Position of the first row in its source."""
    rows: int
    start: int = 0
    """First byte; of parquet the first row in the row group; of a directory the first file."""
    end: int = 0
    """Byte behind the last; 0 for parquet and directories."""
    first_line: int = 1
    row_group: int = 0


def survey(path: Path, rows_per_block: int, first_row: int = 0) -> list[Block]:
    """The blocks of a file: a .json array, .json or .jsonl of one object a line, .parquet, or a directory of .jsonl.

    Raises CorpusError when the file is missing, empty or of an unknown kind, and where a JSON array is broken, since
    behind a broken element no other can be found.
    """
    if path.is_dir():
        blocks = _directory(path, rows_per_block, first_row)
    elif not path.is_file():
        raise CorpusError(f"corpus {path} does not exist; correct the source's path")
    elif path.suffix not in SUFFIXES:
        raise CorpusError(f"corpus {path} is none of {', '.join(SUFFIXES)}; convert it to one of them")
    elif path.suffix == ".parquet":
        blocks = list(_parquet(path, rows_per_block, first_row))
    elif path.suffix == ".json" and _starts_with_array(path):
        blocks = _array(path, rows_per_block, first_row)
    else:
        blocks = _lines(path, rows_per_block, first_row)  # a .json file of one object a line is common, too
    if not blocks:
        raise CorpusError(f"corpus {path} holds no rows; remove the source or correct its path")
    return blocks


def unpacked(path: Path, scratch: Path) -> Path:
    """The file itself, or a decompressed copy of a .gz file in `scratch`."""
    if path.suffix != ".gz":
        return path
    plain = scratch / f"{hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:12]}-{path.stem}"
    try:
        with gzip.open(path, "rb") as packed, plain.open("wb") as stream:
            shutil.copyfileobj(packed, stream, _CHUNK_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CorpusError(f"corpus {path} is no readable gzip file: {error}; download it again") from error
    return plain


def directory_files(path: Path) -> list[Path]:
    """The .jsonl files below a directory whose every file is one row, in order of their names."""
    return sorted(path.rglob("*.jsonl"), key=lambda file: file.relative_to(path).as_posix())


def _directory(path: Path, rows_per_block: int, first_row: int) -> list[Block]:
    files = len(directory_files(path))
    return [
        Block("files", path, first_row + start, min(rows_per_block, files - start), start)
        for start in range(0, files, rows_per_block)
    ]


def _starts_with_array(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4096).removeprefix(BOM).lstrip()[:1] == b"["


class _Cutter:
    """Collects rows by byte offset into blocks."""

    def __init__(self, kind: Kind, path: Path, rows_per_block: int, first_row: int) -> None:
        self.kind, self.path, self.rows_per_block = kind, path, rows_per_block
        self.first_row = first_row
        self.blocks: list[Block] = []
        self.rows = 0
        self.start = self.first_line = 0

    def add(self, start: int, end: int, line: int = 1) -> None:
        if not self.rows:
            self.start, self.first_line = start, line
        self.rows += 1
        if self.rows == self.rows_per_block or end - self.start >= _BLOCK_BYTES:
            self.finish(end)

    def finish(self, end: int) -> list[Block]:
        if self.rows:
            block = Block(self.kind, self.path, self.first_row, self.rows, self.start, end, self.first_line)
            self.blocks.append(block)
            self.first_row += self.rows
            self.rows = 0
        return self.blocks


def _lines(path: Path, rows_per_block: int, first_row: int) -> list[Block]:
    cutter = _Cutter("lines", path, rows_per_block, first_row)
    end = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            start, end = end, end + len(line)
            if line.removeprefix(BOM).strip():
                cutter.add(start, end, number)
    return cutter.finish(end)


def _array(path: Path, rows_per_block: int, first_row: int) -> list[Block]:
    cutter = _Cutter("array", path, rows_per_block, first_row)
    end = 0
    with path.open("rb") as stream:
        for start, end in _elements(path, stream):
            cutter.add(start, end)
    return cutter.finish(end)


def _elements(path: Path, stream: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Byte offsets of each element of the array.

    The bytes are taken for Latin-1 here: JSON's own characters are the same, and an offset counts bytes. UTF-8 is
    checked where a block is read.
    """
    text, before, position = "", 0, 0  # `before`: bytes of the file in front of `text`

    def more(least: int = _CHUNK_BYTES) -> bool:
        nonlocal text, before, position
        chunk = stream.read(least)
        text, before, position = text[position:] + chunk.decode("latin-1"), before + position, 0
        return bool(chunk)

    def skip() -> str:
        """The first character that is no whitespace, or an empty text at the end of the file."""
        nonlocal position
        while True:
            while position < len(text) and text[position] in WHITESPACE:
                position += 1
            if position < len(text) or not more():
                return text[position : position + 1]

    more()
    position = len(BOM) if text.startswith(BOM.decode("latin-1")) else 0
    skip()
    position += 1  # the opening bracket
    if skip() == "]":
        return
    while True:
        skip()
        while True:
            try:
                _, end = LENIENT_DECODER.raw_decode(text, position)
                # A number may go on in the next chunk, so an element counts once something else stands behind it.
                if text[end : end + 3] not in _BEGUN or not more():
                    break
            except (ValueError, RecursionError) as error:
                place, message = before + position, str(error)
                if isinstance(error, json.JSONDecodeError):
                    place, message = before + error.pos, error.msg
                # What is broken may only be cut off: read as much again, so that long elements cost no square.
                if len(text) - position > _LARGEST_ELEMENT or not more(max(_CHUNK_BYTES, len(text) - position)):
                    raise _broken(path, place, message) from error
        start, position = before + position, end
        yield start, before + end
        following = skip()
        if following == "]":
            return
        if following != ",":
            raise _broken(path, before + position, "expecting ',' or ']' after an element")
        position += 1


def _broken(path: Path, offset: int, message: str) -> CorpusError:
    with path.open("rb") as stream:
        head = stream.read(offset)
    line = head.count(b"\n") + 1
    column = len(head[head.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
    return CorpusError(
        f"{path}:{line}:{column}: {message}; fix the file, or convert it to .jsonl, where single lines can be dropped"
    )


def _parquet(path: Path, rows_per_block: int, first_row: int) -> Iterator[Block]:
    import pyarrow as pa  # here, since the converters, and so every configuration, import this module
    import pyarrow.parquet as pq

    # Reading a part of a row group decodes all of it, so parts are never small.
    rows_per_part = max(rows_per_block, _PARQUET_ROWS)
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                for start in range(0, rows, rows_per_part):
                    count = min(rows_per_part, rows - start)
                    yield Block("parquet", path, first_row, count, start, row_group=group)
                    first_row += count
    except pa.ArrowInvalid as error:
        raise CorpusError(f"{path} is no readable parquet file: {error}; download it again") from error
