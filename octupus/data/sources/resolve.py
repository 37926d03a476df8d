"""Sources of a configuration to files on disk and the format of their rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from octupus.data.config import PrepareConfig, SourceConfig
from octupus.data.manifest import file_sha256
from octupus.data.reasons import Reason
from octupus.data.sources.corpora import Corpus, corpus_named
from octupus.data.sources.detect import ROWS_LOOKED_AT, detect_format
from octupus.data.sources.hub import download
from octupus.data.sources.reader import read_block
from octupus.data.sources.registry import FORMATS, Format
from octupus.data.sources.survey import Block, directory_files
from octupus.errors import ConversionError, CorpusError


@dataclass(frozen=True, slots=True)
class ResolvedSource:
    """A source whose files are here."""

    name: str
    split: str
    files: tuple[Path, ...]
    form: str
    """Name of its rows' format, or `auto`."""


def resolve(config: PrepareConfig) -> list[ResolvedSource]:
    """Each source's files, downloaded where they are not here.

    Raises CorpusError when a file is missing, or when a corpus must not be trained on and the mixture takes it.
    """
    taken = {(entry.source, entry.split) for entry in config.mixture} or None
    return [
        _resolve(source, config.allow_untrainable or (taken is not None and (source.name, source.split) not in taken))
        for source in config.sources
    ]


def files_of(path: Path, what: str) -> tuple[Path, ...]:
    """The file or directory, or all files of a pattern in order of their names. Raises CorpusError without any."""
    if path.exists():
        return (path,)
    if any(character in str(path) for character in "*?["):
        anchor = Path(path.anchor) if path.is_absolute() else Path()
        files = tuple(sorted(anchor.glob(str(path.relative_to(anchor)))))
        if files:
            return files
        raise CorpusError(f"no file matches {path} of {what}; correct the pattern")
    raise CorpusError(f"corpus {path} of {what} does not exist; correct the source's path")


def input_sha256(path: Path) -> str:
    """The hash of a file's bytes, or of the names and hashes of a directory's files."""
    if not path.is_dir():
        return file_sha256(path)
    listed = "".join(f"{file.relative_to(path).as_posix()} {file_sha256(file)}\n" for file in directory_files(path))
    return hashlib.sha256(listed.encode("utf-8")).hexdigest()


def form_of(form: str, blocks: Iterable[Block], path: Path) -> str:
    """The name of the format, found out from the first rows when it is `auto`.

    Raises CorpusError when no format is known to them, or when they are nothing like the format that is named.
    """
    rows = (row.value for block in blocks for row in read_block(block))
    first = [value for value in islice(rows, ROWS_LOOKED_AT) if isinstance(value, dict)]
    if form == "auto":
        return detect_format(first, path)
    if first:
        _check_columns(FORMATS[form], first, path)
    return form


def _check_columns(form: Format, rows: list[dict[str, Any]], path: Path) -> None:
    convert = form.bind(path)
    problems = []
    for row in rows:
        try:
            convert(row)
        except ConversionError as error:
            problems.append(error)
            if error.reason == Reason.WRONG_SHAPE or not form.recognises(row):
                continue
        return
    seen = ", ".join(sorted({key for row in rows for key in row}))
    raise CorpusError(
        f"corpus {path} has not the columns of the format {form.name}: {problems[0].detail}; its columns: {seen}; "
        f"expected: {form.looks}. Correct the source's format or path"
    )


def _resolve(source: SourceConfig, trainable: bool) -> ResolvedSource:
    corpus = corpus_named(source.corpus) if source.corpus else None
    if corpus is not None and corpus.not_for_training and not trainable:
        raise CorpusError(
            f"source {source.name!r} is the corpus {corpus.name}: {corpus.not_for_training}; leave it out of the "
            "mixture, or pass --allow_untrainable true"
        )
    what = f"source {source.name!r}"
    if source.path is not None:
        files = files_of(source.path, what)
    else:
        assert corpus is not None  # SourceConfig has a path or a corpus
        files = download(corpus.repository, corpus.splits[source.split])
    return ResolvedSource(source.name, source.split, files, _form(source, corpus))


def _form(source: SourceConfig, corpus: Corpus | None) -> str:
    return corpus.form if source.format == "auto" and corpus is not None else source.format
