"""Space on the file system that holds a path."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DiskSpace:
    """Bytes of one file system."""

    path: str
    """The path that was asked about."""
    total: int
    free: int
    """What this user may still write; blocks reserved for root are not counted."""


def disk_space(path: Path) -> DiskSpace | None:
    """Space where `path` lies, or would lie once it is made; None where it may not be looked at."""
    for place in (path, *path.parents):
        try:
            usage = shutil.disk_usage(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return DiskSpace(str(path), usage.total, usage.free)
    return None
