"""The manifest of prepared data: what it was made of, what is in it, and the hash of every shard.

A directory is finished when it holds `manifest.json`, which is written last.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, ValidationError

from octupus.chat.tokenizer import ChatTokenizer
from octupus.config import StrictModel
from octupus.errors import ManifestError
from octupus.telemetry import write_json

MANIFEST = "manifest.json"
FORMAT: Literal["octupus-packs/1"] = "octupus-packs/1"
_AGAIN = "prepare the data again with `python jobs/prepare_data.py`"


class Shard(StrictModel):
    """One parquet file of packs."""

    file: str
    sha256: str
    packs: int


class StageCounts(StrictModel):
    """What one step did to a source's conversations: `in` = `kept` + all of `dropped`."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    read: int = Field(alias="in")
    kept: int
    dropped: dict[str, int]
    """Conversations by reason."""


class SourceCounts(StageCounts):
    """What became of a source's conversations. A row that cannot be converted counts as one."""

    rows: int
    """Rows of its files; one may hold several conversations."""
    stages: dict[str, StageCounts]
    """The same for each step, in order: what one keeps the next gets."""


class MixtureCounts(StrictModel):
    """What one line of the mixture takes, copies counted."""

    source: str
    split: str
    ratio: float
    conversations: int
    tokens: int
    trained_tokens: int


class AugmentCounts(StrictModel):
    """What became of one augmentation's rows: `made` = `kept` + all of `dropped`."""

    made: int
    kept: int
    dropped: dict[str, int]
    """Rows by reason; not_applicable where the augmentation did not fit after all."""


class InputFile(StrictModel):
    """A corpus file as it was read."""

    path: str
    sha256: str


class Manifest(StrictModel):
    """See the module docstring."""

    format: Literal["octupus-packs/1"] = FORMAT
    packs: int
    tokens: int
    trained_tokens: int
    conversations: int
    """Conversations in the packs: after the mixture, copies counted."""
    token_budget: int
    fill: float
    """Tokens per token of budget."""
    seed: int
    dialect: str
    tokenizer_sha256: str
    template_sha256: str
    shards: tuple[Shard, ...]
    code_sha256: str
    """Of the code that prepared the data."""
    sources: dict[str, SourceCounts]
    mixture: tuple[MixtureCounts, ...]
    augmented: dict[str, AugmentCounts]
    """By augmentation; these rows are no part of `sources`."""
    kinds: dict[str, int]
    """Kept rows by kind."""
    languages: dict[str, int]
    """Kept rows by language."""
    flags: dict[str, int]
    """Kept rows by what was repaired, masked, cut or noticed in them."""
    inputs: tuple[InputFile, ...]


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, which marks the directory as finished."""
    write_json(directory / MANIFEST, manifest.model_dump(mode="json", by_alias=True))


def read_manifest(directory: Path) -> Manifest:
    """The manifest of prepared data. Raises ManifestError when it is missing or not one."""
    path = directory / MANIFEST
    if not path.is_file():
        raise ManifestError(f"{directory} holds no finished prepared data (no {MANIFEST}); {_AGAIN}")
    try:
        return Manifest.model_validate(json.loads(path.read_text("utf-8")))
    except (ValidationError, ValueError) as error:
        raise ManifestError(f"{path} is no manifest of the format {FORMAT}: {error}; {_AGAIN}") from error


def verify(directory: Path, manifest: Manifest) -> None:
    """Raises ManifestError unless every shard is present and has its hash."""
    for shard in manifest.shards:
        path = directory / shard.file
        if not path.is_file():
            raise ManifestError(f"shard {path} is missing; copy it again or {_AGAIN}")
        found = file_sha256(path)
        if found != shard.sha256:
            raise ManifestError(
                f"shard {path} is damaged: its sha256 is {found}, the manifest says {shard.sha256}; "
                f"copy it again or {_AGAIN}"
            )


def check_tokenizer(manifest: Manifest, tokenizer: ChatTokenizer) -> None:
    """Raises ManifestError unless the data was prepared with this tokenizer."""
    if manifest.tokenizer_sha256 != tokenizer.sha256:
        raise ManifestError(
            f"the data was prepared with another tokenizer than {tokenizer.origin}'s "
            f"(sha256 {manifest.tokenizer_sha256[:12]}, not {tokenizer.sha256[:12]}); "
            f"train the model it was prepared for, or {_AGAIN} --model {tokenizer.origin}"
        )


def file_sha256(path: Path) -> str:
    """The hash of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
