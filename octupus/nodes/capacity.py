"""CPUs, memory and open files that this process may use: the machine's, or less where a control group limits it.

Control groups as the kernel documents them: version 2 in Documentation/admin-guide/cgroup-v2.rst, version 1 in
Documentation/admin-guide/cgroup-v1/. A container sees its own limits at the root of /sys/fs/cgroup; a batch system's
lie at the path that /proc/self/cgroup names, or above it.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NO_LIMIT = 2**60
"""Version 1 tells "no limit" as the largest number of whole pages; no machine has that much."""


@dataclass(frozen=True)
class Memory:
    """Bytes of main memory."""

    total: int
    available: int


def memory(root: Path = Path("/")) -> Memory:
    """Memory that processes here may have; `root` is where /proc and /sys lie."""
    machine = _pairs(root / "proc/meminfo")
    total = machine["MemTotal:"] * 1024
    available = machine["MemAvailable:"] * 1024
    for directory in _control_groups(root, "memory"):
        limit = _number(directory, "memory.max", "memory.limit_in_bytes")
        used = _number(directory, "memory.current", "memory.usage_in_bytes")
        if limit is None or used is None or limit >= _NO_LIMIT:
            continue
        # Pages of files that nobody uses are counted as used, and given up when memory is asked for.
        statistics = _pairs(directory / "memory.stat")
        reclaimable = statistics.get("total_inactive_file", statistics.get("inactive_file", 0))
        total = min(total, limit)
        available = min(available, max(limit - used + reclaimable, 0))
    return Memory(total, available)


def cpus(root: Path = Path("/")) -> float:
    """CPUs that processes here may keep busy."""
    number = float(len(os.sched_getaffinity(0)))
    for directory in _control_groups(root, "cpu"):
        quota, period = _cpu_quota(directory)
        if quota is not None and quota > 0 and period:
            number = min(number, quota / period)
    return number


def most_open_files() -> int | None:
    """Files that a process may have open once Ray has raised its soft limit to the hard one; None without limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if hard == resource.RLIM_INFINITY else hard


def _control_groups(root: Path, controller: str) -> Iterator[Path]:
    """Directories whose limits hold here; of those that do not exist nothing is read."""
    mount = root / "sys/fs/cgroup"
    yield mount
    yield mount / controller
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = mount / controller if controllers else mount
        own = base / path.lstrip("/")
        while own != base and base in own.parents:
            yield own
            own = own.parent


def _cpu_quota(directory: Path) -> tuple[int | None, int | None]:
    """Microseconds of CPU time in each period, and the period."""
    words = _text(directory / "cpu.max").split()
    if len(words) == 2:
        return (None if words[0] == "max" else int(words[0])), int(words[1])
    return _number(directory, "cpu.cfs_quota_us"), _number(directory, "cpu.cfs_period_us")


def _number(directory: Path, *names: str) -> int | None:
    for name in names:
        text = _text(directory / name).strip()
        if text.lstrip("-").isdigit():
            return int(text)
    return None


def _pairs(file: Path) -> dict[str, int]:
    lines = (line.split() for line in _text(file).splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""  # another version of control groups, or none
