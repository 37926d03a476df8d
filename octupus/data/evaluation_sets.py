"""Evaluation files to the index that contaminated rows are found by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from octupus.conversation import Conversation
from octupus.data.config import EvaluationSet
from octupus.data.contamination import EvaluationIndex
from octupus.data.examine import convert_row
from octupus.data.sources.reader import read_block
from octupus.data.sources.registry import FORMATS
from octupus.data.sources.resolve import files_of, form_of
from octupus.data.sources.survey import survey
from octupus.errors import ConversionError, CorpusError

ROWS_PER_BLOCK = 1000


def evaluation_files(sets: Sequence[EvaluationSet]) -> list[tuple[Path, str]]:
    """Every file of the sets with its format. Raises CorpusError when one is missing."""
    return [(file, each.format) for each in sets for file in files_of(each.path, "evaluation_sets")]


def evaluation_index(sets: Sequence[EvaluationSet]) -> EvaluationIndex | None:
    """The questions and tools of all sets, or None without any. Raises CorpusError when none of a file can be read."""
    indexes = [EvaluationIndex.build(_conversations(file, form), file.name) for file, form in evaluation_files(sets)]
    return EvaluationIndex.merged(indexes) if indexes else None


def _conversations(file: Path, form: str) -> Iterator[Conversation]:
    blocks = survey(file, ROWS_PER_BLOCK)
    convert = FORMATS[form_of(form, blocks, file)].bind(file)
    read = 0
    for block in blocks:
        for row in read_block(block):
            try:
                conversations = convert_row(row.value, convert)
            except ConversionError:
                continue  # an odd row of an evaluation set takes no training row with it
            read += 1
            yield from conversations
    if not read:
        raise CorpusError(f"evaluation set {file} holds no row of its format; correct its path or name its format")
