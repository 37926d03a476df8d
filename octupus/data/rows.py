"""The row operators that Ray Data runs: pure functions of single rows, so output never depends on parallelism."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from octupus.chat.registry import ModelChat, model_chat
from octupus.chat.render import Rendered
from octupus.conversation import Conversation
from octupus.data.checks import check_schemas, check_structure
from octupus.data.language import language
from octupus.data.reasons import Problem, Reason, Stage
from octupus.data.records import CHECKED, TOKENISED
from octupus.data.sources.registry import FORMATS
from octupus.data.tokenise import tokenise
from octupus.errors import ConversionError
from octupus.schema.repair import normalise_parameters
from octupus.schema.validation import json_type, parse_json

EXCERPT_CHARACTERS = 200


def check_table(raw: pa.Table) -> pa.Table:
    """Rows of `records.RAW` as rows of `records.CHECKED`, one for one and in order."""
    return pa.Table.from_pylist([check_row(row) for row in raw.to_pylist()], schema=CHECKED)


def check_row(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A raw row converted, repaired and checked: the record's columns, or the drop's."""
    place = {key: raw[key] for key in ("source", "split", "row")}
    if raw["problem"]:
        return _drop(raw, Stage.READ, (Reason.BROKEN_JSON, raw["problem"]))
    try:
        conversation = convert_row(parse_json(raw["text"]), raw["format"]).model_copy(update=place)
        problem = check_structure(conversation)
        if problem:
            return _drop(raw, Stage.STRUCTURE, problem)
        problem = check_schemas(conversation)
        if problem:
            return _drop(raw, Stage.SCHEMA, problem)
    except ConversionError as error:
        return _drop(raw, Stage.CONVERT, (Reason(error.reason), error.detail))
    except RecursionError:
        return _drop(raw, Stage.CONVERT, (Reason.WRONG_SHAPE, "the row is nested too deeply"))
    return conversation.model_copy(update={"language": language(conversation)}).to_row()


def convert_row(value: Any, format_name: str) -> Conversation:
    """A row's JSON value as a conversation with normalised tools. Raises ConversionError."""
    if not isinstance(value, dict):
        raise ConversionError(Reason.WRONG_SHAPE, f"the row must be an object, not {json_type(value)}")
    converted = FORMATS[format_name].bind(Path())(value)
    return _normalised(converted[0] if isinstance(converted, tuple) else converted)


def tokenise_table(records: pa.Table, model: str, token_budget: int) -> pa.Table:
    """Records with a `position` as rows of `records.TOKENISED`, one for one and in order."""
    chat = _chat(model)
    outcomes = [tokenise(Conversation.from_row(record), chat, token_budget) for record in records.to_pylist()]
    columns = [
        records["position"].to_pylist(),
        [outcome.ids if isinstance(outcome, Rendered) else None for outcome in outcomes],
        [outcome.trained if isinstance(outcome, Rendered) else None for outcome in outcomes],
        [None if isinstance(outcome, Rendered) else str(outcome[0]) for outcome in outcomes],
        [None if isinstance(outcome, Rendered) else outcome[1] for outcome in outcomes],
    ]
    return pa.table(columns, schema=TOKENISED)


def writable(text: str) -> str:
    """The text with half characters escaped, since Arrow holds UTF-8 only."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@lru_cache(maxsize=2)
def _chat(model: str) -> ModelChat:
    """Loading a tokenizer takes a second; a worker does it once."""
    # Ray runs one task a core already; the tokenizer's own threads would only wait for each other.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return model_chat(model)


def _normalised(conversation: Conversation) -> Conversation:
    tools = tuple(
        tool.model_copy(
            update={
                "function": tool.function.model_copy(
                    update={"parameters": normalise_parameters(tool.function.parameters)}
                )
            }
        )
        for tool in conversation.tools
    )
    return conversation.model_copy(update={"tools": tools})


def _drop(raw: Mapping[str, Any], stage: Stage, problem: Problem) -> dict[str, Any]:
    reason, detail = problem
    return {
        "source": raw["source"],
        "split": raw["split"],
        "row": raw["row"],
        "stage": str(stage),
        "reason": str(reason),
        "detail": writable(detail),
        "excerpt": raw["text"][:EXCERPT_CHARACTERS],
    }
