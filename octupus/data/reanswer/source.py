"""The conversations of the input in order, each with where it stands and why it is not asked, if it is not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from octupus.conversation import Conversation
from octupus.data.reanswer.config import ReanswerConfig
from octupus.data.reanswer.dialogue import Dialogue, DialogueRules, skip_reason
from octupus.data.reanswer.ledger import Index
from octupus.data.reasons import Reason
from octupus.data.sources.detect import ROWS_LOOKED_AT, detect_format
from octupus.data.sources.reader import RawRow, read_rows
from octupus.data.sources.registry import FORMATS
from octupus.endpoint.outcome import Failure
from octupus.errors import ConversionError


@dataclass(frozen=True, slots=True)
class Entry:
    """One conversation of the input, or a row that holds none."""

    row: int
    part: int
    conversation: Conversation | None
    skipped: str = ""
    """Why it is not asked."""


def format_of(config: ReanswerConfig) -> str:
    """The name of the input's format. Raises CorpusError when none fits."""
    if config.format != "auto":
        return config.format
    first = islice(read_rows(config.input, config.on_broken_line), ROWS_LOOKED_AT)
    return detect_format([row.value for row in first], config.input)


def input_sha256(config: ReanswerConfig) -> str:
    """Hash of all rows, in whatever files they are. Raises CorpusError at a broken line, unless these are dropped."""
    digest = hashlib.sha256()
    for row in read_rows(config.input, config.on_broken_line):
        digest.update(row.text.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def entries(config: ReanswerConfig, form: str) -> Iterator[Entry]:
    """Every conversation of the input, in order of row and part."""
    rules = DialogueRules.of(config)
    convert = FORMATS[form].bind(config.input)
    for raw in read_rows(config.input, config.on_broken_line):
        yield from _entries_of_row(raw, convert, rules)


def _entries_of_row(raw: RawRow, convert: Any, rules: DialogueRules) -> Iterator[Entry]:
    if raw.problem:
        yield Entry(raw.row, 0, None, str(Reason.BROKEN_JSON))
        return
    if not isinstance(raw.value, dict):
        yield Entry(raw.row, 0, None, str(Reason.WRONG_SHAPE))
        return
    try:
        converted = convert(raw.value)
    except ConversionError as error:
        yield Entry(raw.row, 0, None, str(error.reason))
        return
    except RecursionError:
        yield Entry(raw.row, 0, None, str(Reason.WRONG_SHAPE))
        return
    conversations = converted if isinstance(converted, tuple) else (converted,)
    if not conversations:
        yield Entry(raw.row, 0, None, "no_prompt")
    for part, conversation in enumerate(conversations):
        placed = conversation.model_copy(update={"row": raw.row, "part": part})
        yield Entry(raw.row, part, placed, skip_reason(placed, rules) or "")


def replay(entry: Entry, rules: DialogueRules, index: Index, with_failures: bool) -> Dialogue:
    """The conversation as far as the ledger brings it.

    A failure that another attempt may mend counts only `with_failures`: when a run begins it is asked again.
    """
    assert entry.conversation is not None, "a row without a conversation has no dialogue"
    dialogue = Dialogue(entry.conversation, rules)
    outcomes = index.outcomes(entry.row, entry.part)
    while dialogue.next_turn is not None:
        outcome = outcomes.get(dialogue.next_turn)
        if outcome is None or (isinstance(outcome, Failure) and not outcome.final and not with_failures):
            break
        dialogue.feed(outcome)
    return dialogue


def pending(config: ReanswerConfig, form: str, index: Index) -> Iterator[tuple[Entry, Dialogue]]:
    """The conversations that have a turn left to ask, in order."""
    rules = DialogueRules.of(config)
    for entry in entries(config, form):
        if not entry.skipped:
            dialogue = replay(entry, rules, index, with_failures=False)
            if dialogue.next_turn is not None:
                yield entry, dialogue
