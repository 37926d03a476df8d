"""The held-out conversations of an evaluation, and a count of what is left out of it and why."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octupus.conversation import Conversation, json_text
from octupus.data.config import SourceConfig
from octupus.data.examine import convert_row
from octupus.data.language import language
from octupus.data.reasons import Reason
from octupus.data.repair import repair
from octupus.data.sources.corpora import corpus_named
from octupus.data.sources.hub import download
from octupus.data.sources.reader import read_block
from octupus.data.sources.registry import FORMATS
from octupus.data.sources.resolve import files_of, form_of, input_sha256
from octupus.data.sources.survey import survey, unpacked
from octupus.errors import ConversionError, CorpusError
from octupus.evaluate.calls.question import Positions, Question, questions_of

RECORD_COLUMNS = frozenset({"messages", "tools", "loss", "source", "split", "row", "part", "language", "flags", "meta"})
ROWS_PER_BLOCK = 1000

Read = Conversation | str
"""A conversation, or why a row holds none."""


@dataclass(frozen=True)
class Dataset:
    """What is asked. `skipped` counts rows and conversations of the split that are not, by reason."""

    sha256: str
    """Of the sources' names, splits and bytes."""
    conversations: tuple[Conversation, ...]
    """Those of `questions`, in order."""
    questions: tuple[Question, ...]
    read: int
    """Rows and conversations of the split that were looked at; each has questions or is skipped."""
    skipped: Counter[str]


def load_dataset(sources: Sequence[SourceConfig], split: str, positions: Positions, limit: int | None) -> Dataset:
    """Read the sources in order until `limit` questions are found; an empty `split` takes every conversation.

    Conversations are repaired as training data are, so that expected calls fit their tools' schemas. Raises CorpusError
    when a source cannot be read, or when no question is found.
    """
    files = [(source, _files(source)) for source in sources]
    digest = hashlib.sha256()
    for source, paths in files:
        hashes = [input_sha256(path) for path in paths]
        digest.update(json_text([source.name, source.split, source.format, hashes]).encode("utf-8"))
    conversations: list[Conversation] = []
    questions: list[Question] = []
    skipped: Counter[str] = Counter()
    read = 0
    splits: set[str] = set()
    known: set[str] = set()
    for conversation in _conversations(files):
        if limit is not None and len(questions) >= limit:
            break
        if isinstance(conversation, Conversation):
            splits.add(conversation.split)
            if split not in ("", conversation.split):
                continue
        read += 1
        found = _questions(conversation, positions, known)
        if isinstance(found, str):
            skipped[found] += 1
            continue
        kept, asked = found
        known.add(asked[0].key[0])
        conversations.append(kept)
        questions += asked[: None if limit is None else limit - len(questions)]
    if not questions:
        raise _no_question(sources, split, splits, skipped)
    return Dataset(digest.hexdigest(), tuple(conversations), tuple(questions), read, skipped)


def _questions(read: Read, positions: Positions, known: set[str]) -> tuple[Conversation, list[Question]] | str:
    """A conversation as it is asked, or why nothing of it is."""
    if isinstance(read, str):
        return read
    if not read.tools:
        return "no_tools"
    repaired = repair(read)
    if isinstance(repaired, tuple):
        return str(repaired[1][0])
    if not repaired.language:
        repaired = repaired.model_copy(update={"language": language(repaired)})
    questions = questions_of(repaired, positions)
    if not questions:
        return "no_trained_turn"
    return "duplicate" if questions[0].key[0] in known else (repaired, questions)


def _files(source: SourceConfig) -> tuple[Path, ...]:
    if source.path is not None:
        return files_of(source.path, f"source {source.name!r}")
    corpus = corpus_named(source.corpus)
    return download(corpus.repository, corpus.splits[source.split])


def _conversations(files: Sequence[tuple[SourceConfig, tuple[Path, ...]]]) -> Iterator[Read]:
    with tempfile.TemporaryDirectory() as scratch:
        for source, paths in files:
            for path in paths:
                plain = unpacked(path, Path(scratch))
                yield from _records(plain) if _holds_records(plain) else _converted(source, plain)


def _holds_records(path: Path) -> bool:
    if path.suffix != ".parquet" or not path.is_file():
        return False
    import pyarrow.parquet as pq  # takes a while, and other files need none

    return set(pq.read_schema(path).names) >= RECORD_COLUMNS


def _records(path: Path) -> Iterator[Conversation]:
    """The conversations of a file that prepare_data wrote."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        rows = (row for batch in file.iter_batches(batch_size=ROWS_PER_BLOCK) for row in batch.to_pylist())
        for position, row in enumerate(rows):
            try:
                yield Conversation.from_row(row)
            except (ValueError, TypeError) as error:
                raise CorpusError(f"{path}: row {position} is no record: {error}; prepare the data again") from error


def _converted(source: SourceConfig, path: Path) -> Iterator[Read]:
    blocks = survey(path, ROWS_PER_BLOCK)
    form = corpus_named(source.corpus).form if source.format == "auto" and source.corpus else source.format
    convert = FORMATS[form_of(form, blocks, path)].bind(path)
    for raw in (row for block in blocks for row in read_block(block)):
        if raw.problem:
            yield str(Reason.BROKEN_JSON)
            continue
        try:
            conversations = convert_row(raw.value, convert)
        except ConversionError as error:
            yield str(error.reason)
            continue
        for part, conversation in enumerate(conversations):
            place: dict[str, Any] = {"source": source.name, "split": source.split, "row": raw.row, "part": part}
            yield conversation.model_copy(update=place)


def _no_question(sources: Sequence[SourceConfig], split: str, splits: set[str], skipped: Counter[str]) -> CorpusError:
    names = ", ".join(source.name for source in sources)
    if split and split not in splits:
        found = ", ".join(sorted(map(repr, splits))) or "none"
        return CorpusError(f"no conversation of {names} is of the split {split!r}; splits found: {found}")
    reasons = ", ".join(f"{reason} {count}" for reason, count in skipped.most_common()) or "there are none"
    return CorpusError(
        f"no conversation of {names} can be asked: {reasons}; evaluation needs conversations with tools and an answer"
    )
