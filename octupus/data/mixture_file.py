"""Mixtures written as `name:split:ratio`, a line each, as the `.conf` files of octupus's ancestor are.

Blank lines and what follows `#` are skipped. A name may hold colons; the last two of a line separate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from octupus.data.config import MixtureEntry, PrepareConfig, SourceConfig, check_mixture
from octupus.data.sources.corpora import corpus_named
from octupus.errors import ConfigError


def with_mixture_file(config: PrepareConfig) -> PrepareConfig:
    """The configuration with its mixture file read: its lines as `mixture`, and a source for each corpus they name.

    Raises ConfigError at a line that is none, and CorpusError at an unknown corpus.
    """
    if config.mixture_file is None:
        return config
    entries = read_mixture(config.mixture_file)
    try:
        sources = _sources(config.sources, entries)
        check_mixture(sources, entries)
    except ValueError as error:
        raise ConfigError(f"{config.mixture_file}: {error}") from error
    return config.model_copy(update={"mixture": entries, "mixture_file": None, "sources": sources})


def read_mixture(path: Path) -> tuple[MixtureEntry, ...]:
    """The lines of a mixture file. Raises ConfigError naming the line that is none."""
    if not path.is_file():
        raise ConfigError(f"mixture_file {path} does not exist; correct its path")
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(f"mixture_file {path} is not UTF-8: {error}; save it as UTF-8") from error
    entries: list[MixtureEntry] = []
    for number, line in enumerate(lines, start=1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        fields = [field.strip() for field in line.rsplit(":", 2)]
        if len(fields) != 3 or not all(fields):
            raise ConfigError(f"{path}:{number}: {line!r} is not name:split:ratio")
        name, split, written = fields
        try:
            ratio = float(Decimal(written))
        except InvalidOperation as error:
            raise ConfigError(f"{path}:{number}: the ratio {written!r} is no number") from error
        if not math.isfinite(ratio) or ratio <= 0:
            raise ConfigError(f"{path}:{number}: the ratio {written} must be above 0; remove the line to leave it out")
        entries.append(MixtureEntry(source=name, split=split, ratio=ratio))
    if not entries:
        raise ConfigError(f"mixture_file {path} holds no name:split:ratio line")
    return tuple(entries)


def _sources(sources: Sequence[SourceConfig], entries: Sequence[MixtureEntry]) -> tuple[SourceConfig, ...]:
    known = {(source.name, source.split) for source in sources}
    added = [
        SourceConfig(name=entry.source, split=entry.split, corpus=corpus_named(entry.source).name)
        for entry in entries
        if (entry.source, entry.split) not in known
    ]
    return (*sources, *added)
