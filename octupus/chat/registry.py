"""The dialects by name, and the dialect and tokenizer of a model directory.

A directory that octupus wrote holds `octupus.json`, which names its dialect. Elsewhere the tokenizer shows it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from octupus.chat.dialect import Dialect
from octupus.chat.hermes import CALL, HERMES, START
from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.errors import ConfigError, VocabularyError

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (OCTUPUS, HERMES)}
MODEL_RECORD = "octupus.json"


@dataclass(frozen=True)
class ModelChat:
    """What is needed to talk to a model: its dialect and its tokenizer."""

    dialect: Dialect
    tokenizer: ChatTokenizer


def dialect_named(name: str) -> Dialect:
    """The dialect of that name. Raises ConfigError naming the known ones."""
    if name not in DIALECTS:
        raise ConfigError(f"unknown dialect {name!r}; known dialects: {', '.join(DIALECTS)}")
    return DIALECTS[name]


def model_chat(directory: Path | str) -> ModelChat:
    """Load a model directory's dialect and tokenizer.

    Raises VocabularyError when the directory is missing or its tokenizer lacks a control token of the dialect.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise VocabularyError(f"model directory {directory} does not exist")
    tokenizer = ChatTokenizer.from_directory(directory)
    record = directory / MODEL_RECORD
    if record.is_file():
        dialect = dialect_named(json.loads(record.read_text("utf-8"))["dialect"])
    else:
        dialect = _shown_by(tokenizer)
    missing = [token for token in dialect.control_tokens if token not in tokenizer.control_tokens]
    if missing:
        raise VocabularyError(
            f"{directory} lacks the control tokens {' '.join(missing)} of the {dialect.name} dialect; add them with "
            f"`python jobs/edit_tokenizer.py --base {directory} --output DIRECTORY`"
        )
    return ModelChat(dialect, tokenizer)


def _shown_by(tokenizer: ChatTokenizer) -> Dialect:
    """The dialect of a model that octupus did not write: hermes where the tokenizer has its tokens and not ours."""
    tokens = tokenizer.control_tokens
    if CALL in tokens and START in tokens and not any(token in tokens for token in OCTUPUS.control_tokens):
        return HERMES
    return OCTUPUS
