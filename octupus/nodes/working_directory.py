"""What `ray job submit --working-dir` would upload of a directory, by Ray's own rules, and its largest paths."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from octupus.errors import ConfigError

SHOWN_PATHS = 10
_MOST_FILES = 200_000
"""Looking ends there: such a directory is too large whatever else it holds."""


class _EnoughSeen(Exception):
    """More files than are looked at."""


@dataclass(frozen=True)
class WorkingDirectory:
    """An upload, before it is made. Ray packs without compressing, so its size is that of the files. Bytes."""

    path: str
    files: int
    size: int
    limit: int
    """Ray refuses a package of this size."""
    largest: tuple[tuple[str, int], ...]
    """The largest paths and their sizes, largest first; none lies in another."""
    complete: bool = True
    """False when there were too many files to look at: then `size` is the least it can be."""

    @property
    def too_large(self) -> bool:
        """Whether Ray will refuse it, or take very long to find out."""
        return self.size >= self.limit or not self.complete


def measure(directory: Path, excludes: Sequence[str] = ()) -> WorkingDirectory:
    """Look at a directory; `excludes` are those of a runtime_env, patterns as in .gitignore.

    Raises ConfigError where a path in it cannot be read: Ray could not upload it either.
    """
    try:
        sizes, limit, complete = _ray_upload(directory, excludes)
    except OSError as error:
        raise ConfigError(f"{directory} cannot be uploaded: {error}; name that path in .rayignore") from error
    return WorkingDirectory(
        path=str(directory),
        files=len(sizes),
        size=sum(sizes.values()),
        limit=limit,
        largest=tuple(largest(sizes)),
        complete=complete,
    )


def largest(sizes: Mapping[str, int], count: int = SHOWN_PATHS) -> list[tuple[str, int]]:
    """The paths that explain most of the size, largest first.

    A directory stands for all below it, unless one entry holds more than half of it: then its entries are told instead.
    So the paths never overlap, and without a bound on their number they hold every file once.
    """
    entries: dict[str, dict[str, int]] = {}
    for file, size in sizes.items():
        path = PurePosixPath(file)
        for child, parent in zip((path, *path.parents), path.parents, strict=False):
            children = entries.setdefault(str(parent), {})
            children[str(child)] = children.get(str(child), 0) + size
    found = sorted(_explaining(".", entries), key=lambda item: (-item[1], item[0]))
    return found[:count]


def _explaining(directory: str, entries: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, int]]:
    for child, size in entries.get(directory, {}).items():
        below = entries.get(child)
        if below and max(below.values()) * 2 > size:
            yield from _explaining(child, entries)
        else:
            yield child + ("/" if below else ""), size


def _ray_upload(directory: Path, excludes: Sequence[str]) -> tuple[dict[str, int], int, bool]:
    """Files and sizes of the package that Ray would make, Ray's limit, and whether all files were seen.

    The only place that knows how Ray packs: ray/_private/runtime_env/working_dir.py joins its default excludes with
    those of the runtime_env, and packaging.py walks the tree with .gitignore and .rayignore of every directory.
    """
    from ray._private import ray_constants
    from ray._private.runtime_env import packaging

    directory = directory.absolute()
    quiet = logging.getLogger("octupus.nodes.quiet")
    quiet.disabled = True
    sizes: dict[str, int] = {}

    def count(path: Path) -> None:
        if path.is_file():
            if len(sizes) == _MOST_FILES:
                raise _EnoughSeen
            sizes[path.relative_to(directory).as_posix()] = path.stat().st_size

    patterns = [*ray_constants.get_runtime_env_default_excludes(), *excludes]
    skipping = [packaging._get_excludes(directory, patterns)]
    gitignore = os.environ.get(ray_constants.RAY_RUNTIME_ENV_IGNORE_GITIGNORE, "0") != "1"
    limit = int(packaging.GCS_STORAGE_MAX_SIZE)
    try:
        packaging._dir_travel(directory, skipping, count, include_gitignore=gitignore, logger=quiet)
    except _EnoughSeen:
        return sizes, limit, False
    return sizes, limit, True
