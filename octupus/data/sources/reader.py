"""Reads the rows of a corpus, block by block: a .json array, a .jsonl, a .parquet, or a directory of dialogue files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from octupus.data.sources.survey import BOM, LENIENT_DECODER, WHITESPACE, Block, directory_files, survey
from octupus.errors import CorpusError
from octupus.schema.validation import InvalidJsonError, parse_json

OnBrokenLine = Literal["stop", "drop"]


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as it stands in its file."""

    row: int
    """Position in the source, counted from 0."""
    value: Any
    """The JSON value; None when `problem` is set."""
    text: str
    """The JSON text of the value; of a broken line, the line."""
    problem: str = ""
    """Where and why the line is broken."""


def read_rows(path: Path, on_broken_line: OnBrokenLine = "stop") -> Iterator[RawRow]:
    """The rows of a corpus, in order.

    Raises CorpusError when the file is missing, empty or of an unknown kind, and at a broken line unless these are
    to be dropped: then the row comes with its `problem`.
    """
    for block in survey(path, rows_per_block=1000):
        for row in read_block(block):
            if row.problem and on_broken_line == "stop":
                raise broken_line(row.problem)
            yield row


def broken_line(problem: str) -> CorpusError:
    """The error that stops a run at a broken line."""
    return CorpusError(f"{problem}; fix the line or pass --on_broken_line drop to count it as dropped")


def read_block(block: Block) -> Iterator[RawRow]:
    """The rows of one block, in order. Broken ones come with their `problem`."""
    match block.kind:
        case "lines":
            return _lines(block)
        case "array":
            return _array(block)
        case "parquet":
            return _parquet(block)
        case "files":
            return _files(block)


def _bytes(block: Block) -> bytes:
    with block.path.open("rb") as stream:
        stream.seek(block.start)
        return stream.read(block.end - block.start)


def _lines(block: Block) -> Iterator[RawRow]:
    row = block.first_row
    for number, line in enumerate(_bytes(block).split(b"\n"), start=block.first_line):
        if number == 1:
            line = line.removeprefix(BOM)
        if line.strip():
            yield _parsed(f"{block.path}:{number}", row, line.rstrip(b"\r"))
            row += 1


def _array(block: Block) -> Iterator[RawRow]:
    data = _bytes(block)
    text = data.decode("latin-1")  # as in the survey: offsets count bytes
    position = 0
    for row in range(block.first_row, block.first_row + block.rows):
        while text[position] in WHITESPACE or text[position] == ",":
            position += 1
        _, end = LENIENT_DECODER.raw_decode(text, position)
        yield _parsed(f"{block.path}: row {row}", row, data[position:end])
        position = end


def _parsed(where: str, row: int, line: bytes) -> RawRow:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        shown = line.decode("utf-8", "replace")
        return RawRow(row, None, shown, f"{where}:{error.start + 1}: not UTF-8: {error.reason}")
    return _valued(where, row, text)


def _valued(where: str, row: int, text: str) -> RawRow:
    try:
        return RawRow(row, parse_json(text), text)
    except InvalidJsonError as error:
        return RawRow(row, None, text, f"{where}:{error.column}: {error}")


def _parquet(block: Block) -> Iterator[RawRow]:
    import pyarrow.parquet as pq  # as in the survey

    with pq.ParquetFile(block.path) as file:
        values = (
            value
            for batch in file.iter_batches(batch_size=1000, row_groups=[block.row_group])
            for value in batch.to_pylist()
        )
        for position, value in enumerate(islice(values, block.start, block.start + block.rows)):
            row = block.first_row + position
            text = json.dumps(value, ensure_ascii=False, default=str)  # dates and bytes are no part of a conversation
            yield _valued(f"{block.path}: row {row}", row, text)


def _files(block: Block) -> Iterator[RawRow]:
    """A row for each file: its name and its lines."""
    for position, file in enumerate(directory_files(block.path)[block.start : block.start + block.rows]):
        row = block.first_row + position
        lines = [line for line in file.read_bytes().removeprefix(BOM).split(b"\n") if line.strip()]
        parsed = [_parsed(f"{file}:{number}", row, line) for number, line in enumerate(lines, start=1)]
        broken = next((line.problem for line in parsed if line.problem), "")
        if broken:
            yield RawRow(row, None, "\n".join(line.text for line in parsed), broken)
            continue
        value = {"file": file.relative_to(block.path).as_posix(), "lines": [line.value for line in parsed]}
        yield RawRow(row, value, json.dumps(value, ensure_ascii=False))
