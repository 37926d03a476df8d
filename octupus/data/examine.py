"""One row at a time: converted, repaired, checked, judged and tokenised, by pure functions that may run anywhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from octupus.chat.registry import ModelChat, model_chat
from octupus.chat.render import Rendered
from octupus.conversation import Conversation
from octupus.data.contamination import EvaluationIndex
from octupus.data.quality import QualityConfig, assess
from octupus.data.reasons import Problem, Reason, Stage
from octupus.data.repair import flagged, prefix, repair, trains_something
from octupus.data.sources.reader import RawRow
from octupus.data.sources.registry import Convert
from octupus.data.tokenise import tokenise
from octupus.errors import ConversionError
from octupus.schema.validation import json_type

EXCERPT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """A conversation that passed, with its ids and loss mask."""

    conversation: Conversation
    rendered: Rendered


@dataclass(frozen=True, slots=True)
class Dropped:
    """Why a row, or one conversation of it, does not pass."""

    row: int
    part: int
    stage: Stage
    reason: Reason
    detail: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What rows are judged by."""

    model: str
    token_budget: int
    cut_long: bool
    quality: QualityConfig
    evaluation: EvaluationIndex | None


def examine_row(raw: RawRow, convert: Convert, rules: Rules) -> Iterator[Kept | Dropped]:
    """The conversations of a row, each kept or dropped. A row that cannot be converted gives one drop."""
    excerpt = raw.text[:EXCERPT_CHARACTERS]
    if raw.problem:
        yield _dropped(raw.row, 0, Stage.READ, (Reason.BROKEN_JSON, raw.problem), excerpt)
        return
    try:
        conversations = convert_row(raw.value, convert)
    except ConversionError as error:
        yield _dropped(raw.row, 0, Stage.CONVERT, (Reason(error.reason), error.detail), excerpt)
        return
    except RecursionError:
        problem = Reason.WRONG_SHAPE, "the row is nested too deeply"
        yield _dropped(raw.row, 0, Stage.CONVERT, problem, excerpt)
        return
    for part, conversation in enumerate(conversations):
        try:
            outcome = examine(conversation.model_copy(update={"row": raw.row, "part": part}), rules)
        except RecursionError:
            outcome = Stage.SCHEMA, (Reason.BAD_SCHEMA, "the tools or arguments are nested too deeply")
        yield outcome if isinstance(outcome, Kept) else _dropped(raw.row, part, *outcome, excerpt)


def convert_row(value: Any, convert: Convert) -> tuple[Conversation, ...]:
    """A row's JSON value as conversations. Raises ConversionError."""
    if not isinstance(value, dict):
        raise ConversionError(Reason.WRONG_SHAPE, f"the row must be an object, not {json_type(value)}")
    converted = convert(value)
    conversations = converted if isinstance(converted, tuple) else (converted,)
    if not conversations:
        raise ConversionError(Reason.NO_ASSISTANT, "the row holds no conversation with an answer")
    return conversations


def examine(conversation: Conversation, rules: Rules) -> Kept | tuple[Stage, Problem]:
    """The conversation repaired, judged and tokenised, or where and why it does not pass."""
    mended = repair(conversation)
    if isinstance(mended, tuple):
        return mended
    judged = assess(mended, rules.quality)
    if isinstance(judged, tuple):
        return Stage.QUALITY, judged
    if not trains_something(judged):
        return Stage.QUALITY, (Reason.NO_ASSISTANT, "every assistant message is masked")
    if rules.evaluation is not None:
        problem = rules.evaluation.find(judged)
        if problem:
            return Stage.CONTAMINATION, problem
    return _tokenised(judged, rules)


def _tokenised(conversation: Conversation, rules: Rules) -> Kept | tuple[Stage, Problem]:
    chat = _chat(rules.model)
    first: Problem | None = None
    shorter: Conversation | None = conversation
    while shorter is not None and trains_something(shorter):
        rendered = tokenise(shorter, chat, rules.token_budget)
        if isinstance(rendered, Rendered):
            return Kept(shorter if first is None else flagged(shorter, "cut_too_long"), rendered)
        first = first or rendered
        if rendered[0] != Reason.TOO_LONG or not rules.cut_long:
            break
        shorter = prefix(shorter, len(shorter.messages) - 1)
    return Stage.TOKENISE, first or (Reason.NO_ASSISTANT, "nothing is trained")


def _dropped(row: int, part: int, stage: Stage, problem: Problem, excerpt: str) -> Dropped:
    reason, detail = problem
    return Dropped(row, part, stage, reason, writable(detail), writable(excerpt))


def writable(text: str) -> str:
    """The text with half characters escaped, since Arrow holds UTF-8 only."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@lru_cache(maxsize=2)
def _chat(model: str) -> ModelChat:
    """Loading a tokenizer takes a second; a worker does it once."""
    # Ray runs one task a core already; the tokenizer's own threads would only wait for each other.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return model_chat(model)
