"""Reads a corpus file row by row: a .json array, a .jsonl or a .parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from octupus.errors import CorpusError
from octupus.schema.validation import STRICT_DECODER, InvalidJsonError, parse_json

OnBrokenLine = Literal["stop", "drop"]
SUFFIXES = (".json", ".jsonl", ".parquet")
_WHITESPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as it stands in its file."""

    row: int
    """Position in the file, counted from 0."""
    value: Any
    """The JSON value; None when `problem` is set."""
    text: str
    """The JSON text of the value; of a broken line, the line."""
    problem: str = ""
    """Where and why the line is broken."""


def read_rows(path: Path, on_broken_line: OnBrokenLine = "stop") -> Iterator[RawRow]:
    """The rows of a corpus file, in order.

    Raises CorpusError when the file is missing, empty or of an unknown kind, and at a broken line unless these are
    to be dropped: then the row comes with its `problem`.
    """
    if not path.is_file():
        raise CorpusError(f"corpus {path} does not exist; correct the source's path")
    if path.suffix not in SUFFIXES:
        raise CorpusError(f"corpus {path} is none of {', '.join(SUFFIXES)}; convert it to one of them")
    row = None
    for row in _rows_of(path):
        if row.problem and on_broken_line == "stop":
            raise CorpusError(f"{row.problem}; fix the line or pass --on_broken_line drop to count it as dropped")
        yield row
    if row is None:
        raise CorpusError(f"corpus {path} holds no rows; remove the source or correct its path")


def _rows_of(path: Path) -> Iterator[RawRow]:
    if path.suffix == ".parquet":
        return _parquet_rows(path)
    if path.suffix == ".json" and _starts_with_array(path):
        return _array_rows(path)
    return _line_rows(path)  # a .json file of one object a line is common, too


def _starts_with_array(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def _line_rows(path: Path) -> Iterator[RawRow]:
    with path.open("rb") as stream:
        row = 0
        for number, line in enumerate(stream, start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            yield _parsed_line(path, row, number, line)
            row += 1


def _parsed_line(path: Path, row: int, number: int, line: bytes) -> RawRow:
    try:
        text = line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        shown = line.decode("utf-8", "replace").rstrip("\r\n")
        return RawRow(row, None, shown, f"{path}:{number}:{error.start + 1}: not UTF-8: {error.reason}")
    try:
        return RawRow(row, parse_json(text), text)
    except InvalidJsonError as error:
        return RawRow(row, None, text, f"{path}:{number}:{error.column}: {error}")


def _array_rows(path: Path) -> Iterator[RawRow]:
    """The elements of a JSON array. Behind a broken element no other can be found, so that always stops."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: not UTF-8 at byte {error.start}: {error.reason}; convert it to UTF-8") from error
    position = _skip(text, text.index("[") + 1)
    if text[position : position + 1] == "]":
        return
    row = 0
    while True:
        try:
            value, end = STRICT_DECODER.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise _broken_array(path, text, error.pos, error.msg) from error
        except (ValueError, RecursionError) as error:
            raise _broken_array(path, text, position, str(error)) from error
        yield RawRow(row, value, text[position:end])
        row += 1
        position = _skip(text, end)
        following = text[position : position + 1]
        if following == "]":
            return
        if following != ",":
            raise _broken_array(path, text, position, "expecting ',' or ']' after an element")
        position = _skip(text, position + 1)


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _WHITESPACE:
        position += 1
    return position


def _broken_array(path: Path, text: str, position: int, message: str) -> CorpusError:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return CorpusError(
        f"{path}:{line}:{column}: {message}; fix the file, or convert it to .jsonl, where single lines can be dropped"
    )


def _parquet_rows(path: Path) -> Iterator[RawRow]:
    row = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for value in batch.to_pylist():
                    yield _parquet_row(path, row, value)
                    row += 1
    except pa.ArrowInvalid as error:
        raise CorpusError(f"{path} is no readable parquet file: {error}; download it again") from error


def _parquet_row(path: Path, row: int, value: dict[str, Any]) -> RawRow:
    text = json.dumps(value, ensure_ascii=False, default=str)  # dates and bytes are no part of a conversation
    try:
        return RawRow(row, parse_json(text), text)
    except InvalidJsonError as error:
        return RawRow(row, None, text, f"{path}: row {row}: {error}")
