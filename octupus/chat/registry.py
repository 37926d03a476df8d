"""The dialects by name, and the dialect and tokenizer of a model directory.

A directory that octupus wrote holds `octupus.json`, which names its dialect.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from octupus.chat.dialect import Dialect
from octupus.chat.octupus import OCTUPUS
from octupus.chat.tokenizer import ChatTokenizer
from octupus.errors import ConfigError, VocabularyError

DIALECTS: dict[str, Dialect] = {OCTUPUS.name: OCTUPUS}
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
    record = directory / MODEL_RECORD
    name = json.loads(record.read_text("utf-8"))["dialect"] if record.is_file() else OCTUPUS.name
    dialect = dialect_named(name)
    tokenizer = ChatTokenizer.from_directory(directory)
    missing = [token for token in dialect.control_tokens if token not in tokenizer.special_tokens]
    if missing:
        raise VocabularyError(
            f"{directory} lacks the control tokens {' '.join(missing)} of the {dialect.name} dialect; add them with "
            f"`python jobs/edit_tokenizer.py --base {directory} --output DIRECTORY`"
        )
    return ModelChat(dialect, tokenizer)
