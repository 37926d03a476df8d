"""What training needs of prepared data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from octupus.data.manifest import MANIFEST, file_sha256, read_manifest
from octupus.errors import ManifestError


@dataclass(frozen=True)
class PreparedData:
    """A prepared directory. `sha256` is of its manifest, which holds the sha256 of every shard."""

    directory: Path
    shards: tuple[Path, ...]
    packs: int
    token_budget: int
    dialect: str
    sha256: str


def read_prepared(directory: Path) -> PreparedData:
    """Read the manifest. Raises ManifestError when it is missing, damaged or of no packs."""
    directory = directory.absolute()
    manifest = read_manifest(directory)
    if manifest.packs == 0:
        raise ManifestError(f"{directory} holds no packs; its report.html says why rows were dropped")
    return PreparedData(
        directory=directory,
        shards=tuple(directory / shard.file for shard in manifest.shards),
        packs=manifest.packs,
        token_budget=manifest.token_budget,
        dialect=manifest.dialect,
        sha256=file_sha256(directory / MANIFEST),
    )
