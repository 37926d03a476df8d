"""A Hugging Face model directory as octupus writes it: complete or absent, with a record of where it comes from."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import octupus
from octupus.chat.registry import MODEL_RECORD
from octupus.telemetry import write_json

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)


@contextmanager
def published(directory: Path) -> Iterator[Path]:
    """A temporary sibling of `directory` to write to, renamed to it when the block ends without an error.

    Raises FileExistsError when `directory` exists: callers decide first what that means.
    """
    if directory.exists():
        raise FileExistsError(directory)
    partial = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    partial.rename(directory)


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy the tokenizer's files and chat template as they are."""
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def write_generation_config(source: Path, target: Path, end_id: int) -> None:
    """Write generation_config.json: the source's settings, ending at `end_id`."""
    file = source / "generation_config.json"
    settings: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    write_json(target / "generation_config.json", settings | {"eos_token_id": end_id})


def read_record(directory: Path) -> dict[str, Any]:
    """The directory's octupus.json, or an empty record when octupus did not write the directory."""
    file = directory / MODEL_RECORD
    record: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return record


def record_sha256(directory: Path) -> str:
    """sha256 of the directory's record, which changes whenever the weights were made otherwise."""
    canonical = json.dumps(read_record(directory), sort_keys=True)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def write_record(source: Path, target: Path, dialect: str, entry: dict[str, Any]) -> None:
    """Write octupus.json: the dialect, the base model, and the source's lineage with `entry` behind it."""
    earlier = read_record(source)
    record = {
        "dialect": dialect,
        "octupus_version": octupus.__version__,
        "base": earlier.get("base", str(source.absolute())),
        "lineage": [*earlier.get("lineage", []), entry],
    }
    write_json(target / MODEL_RECORD, record)
