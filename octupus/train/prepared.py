"""What training reads of a prepared directory's manifest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from octupus.errors import ManifestError

MANIFEST = "manifest.json"
FORMAT = "octupus-packs/1"


@dataclass(frozen=True)
class PreparedData:
    """A prepared directory. `sha256` is of the manifest, which holds the sha256 of every shard."""

    directory: Path
    shards: tuple[Path, ...]
    packs: int
    token_budget: int
    dialect: str
    tokenizer_sha256: str
    sha256: str


def read_prepared(directory: Path) -> PreparedData:
    """Read the manifest. Raises ManifestError when it is missing, of another format, empty, or names a missing shard."""
    directory = directory.absolute()
    file = directory / MANIFEST
    if not file.is_file():
        raise ManifestError(f"{directory} has no {MANIFEST}; prepare data with `python jobs/prepare_data.py`")
    content = file.read_bytes()
    try:
        manifest = json.loads(content)
        if manifest["format"] != FORMAT:
            raise ManifestError(f"{file} has format {manifest['format']!r}, not {FORMAT!r}; prepare the data again")
        prepared = PreparedData(
            directory=directory,
            shards=tuple(directory / shard["file"] for shard in manifest["shards"]),
            packs=int(manifest["packs"]),
            token_budget=int(manifest["token_budget"]),
            dialect=manifest["dialect"],
            tokenizer_sha256=manifest["tokenizer_sha256"],
            sha256=hashlib.sha256(content).hexdigest(),
        )
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ManifestError(f"{file} is damaged ({type(error).__name__}: {error}); prepare the data again") from error
    missing = [shard.name for shard in prepared.shards if not shard.is_file()]
    if missing:
        raise ManifestError(f"{directory} lacks {', '.join(missing)}, which its manifest names; prepare the data again")
    if prepared.packs == 0:
        raise ManifestError(f"{directory} holds no packs; its report.html says why rows were dropped")
    return prepared
