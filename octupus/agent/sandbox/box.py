"""The directory that a call may write to: how full it is, and how it is emptied. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path

SMALLEST_FILE = 32 * 1024
"""What a file or directory counts at least, so that their number is bounded too."""


def fuller_than(directory: str, limit: int) -> bool:
    """Whether the files in it and below it take more than `limit` bytes."""
    total = 0
    waiting = [directory]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    total += max(SMALLEST_FILE, entry.stat(follow_symlinks=False).st_blocks * 512)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    if total > limit:
                        return True
        except OSError:
            continue  # gone meanwhile, or closed by its mode
    return False


def clear(directory: str) -> bool:
    """Remove all that is in it, however deep that is; whether that was possible.

    What lies in a directory's directories is moved up instead of descended to, so that no path grows too long.
    """
    moved = 0
    try:
        while inside := list(os.scandir(directory)):
            for entry in inside:
                if not entry.is_dir(follow_symlinks=False):
                    Path(entry.path).unlink()
                    continue
                Path(entry.path).chmod(0o700)
                for below in list(os.scandir(entry.path)):
                    if below.is_dir(follow_symlinks=False):
                        moved += 1
                        Path(below.path).chmod(0o700)
                        Path(below.path).rename(Path(directory) / f"moved {moved} {os.urandom(4).hex()}")
                    else:
                        Path(below.path).unlink()
                Path(entry.path).rmdir()
    except OSError:
        return False
    return True
