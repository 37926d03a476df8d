"""One row at a time: converted, repaired, checked, judged and tokenised, by pure functions that may run anywhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
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


def examine_rows(rows: Iterable[RawRow], convert: Convert, rules: Rules) -> list[Kept | Dropped]:
    """The conversations of rows, in order, each kept or dropped. A row that cannot be converted gives one drop."""
    conversations: list[Conversation] = []
    outcomes: list[Kept | Dropped | None] = []  # None: the next of `conversations`
    excerpts: list[str] = []
    for raw in rows:
        for outcome in _converted(raw, convert):
            if isinstance(outcome, Conversation):
                conversations.append(outcome)
                excerpts.append(raw.text[:EXCERPT_CHARACTERS])
            outcomes.append(outcome if isinstance(outcome, Dropped) else None)
    examined = iter(
        outcome if isinstance(outcome, Kept) else _dropped(conversation.row, conversation.part, *outcome, excerpt)
        for conversation, outcome, excerpt in zip(conversations, examine(conversations, rules), excerpts, strict=True)
    )
    return [next(examined) if outcome is None else outcome for outcome in outcomes]


def _converted(raw: RawRow, convert: Convert) -> Iterator[Conversation | Dropped]:
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
        yield conversation.model_copy(update={"row": raw.row, "part": part})


def convert_row(value: Any, convert: Convert) -> tuple[Conversation, ...]:
    """A row's JSON value as conversations. Raises ConversionError."""
    if not isinstance(value, dict):
        raise ConversionError(Reason.WRONG_SHAPE, f"the row must be an object, not {json_type(value)}")
    converted = convert(value)
    conversations = converted if isinstance(converted, tuple) else (converted,)
    if not conversations:
        raise ConversionError(Reason.NO_ASSISTANT, "the row holds no conversation with an answer")
    return conversations


def examine(conversations: Sequence[Conversation], rules: Rules) -> list[Kept | tuple[Stage, Problem]]:
    """Each conversation repaired, judged and tokenised, or where and why it does not pass."""
    judged = [_judged(conversation, rules) for conversation in conversations]
    passed = [outcome for outcome in judged if isinstance(outcome, Conversation)]
    tokenised = iter(tokenise(passed, _chat(rules.model), rules.token_budget))
    return [
        _finished(outcome, next(tokenised), rules) if isinstance(outcome, Conversation) else outcome
        for outcome in judged
    ]


def _judged(conversation: Conversation, rules: Rules) -> Conversation | tuple[Stage, Problem]:
    try:
        mended = repair(conversation)
    except RecursionError:
        return Stage.SCHEMA, (Reason.BAD_SCHEMA, "the tools or arguments are nested too deeply")
    if isinstance(mended, tuple):
        return mended
    judged = assess(mended, rules.quality)
    if isinstance(judged, tuple):
        return Stage.QUALITY, judged
    if not trains_something(judged):
        return Stage.QUALITY, (Reason.NO_ASSISTANT, "every assistant message is masked")
    problem = rules.evaluation.find(judged) if rules.evaluation is not None else None
    return (Stage.CONTAMINATION, problem) if problem else judged


def _finished(conversation: Conversation, tokenised: Rendered | Problem, rules: Rules) -> Kept | tuple[Stage, Problem]:
    """The conversation with its tokens; one that is too long is cut where that is asked for."""
    if isinstance(tokenised, Rendered):
        return Kept(conversation, tokenised)
    shorter = prefix(conversation, len(conversation.messages) - 1)
    while tokenised[0] == Reason.TOO_LONG and rules.cut_long and shorter is not None and trains_something(shorter):
        (again,) = tokenise([shorter], _chat(rules.model), rules.token_budget)
        if isinstance(again, Rendered):
            return Kept(flagged(shorter, "cut_too_long"), again)
        shorter = prefix(shorter, len(shorter.messages) - 1)
    return Stage.TOKENISE, tokenised


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
