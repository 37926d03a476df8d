"""Limits of control groups count, of either version, at the root of a container or on the process's own path."""

from pathlib import Path

import pytest

from octupus.nodes.capacity import Memory, cpus, memory

_GIB = 2**30


def _system(root: Path, files: dict[str, str]) -> Path:
    machine = {"proc/meminfo": f"MemTotal: {64 * 2**20} kB\nMemAvailable: {32 * 2**20} kB\nHugePages_Total: 0\n"}
    for name, text in (machine | files).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, Memory(64 * _GIB, 32 * _GIB)),
        (
            {
                "sys/fs/cgroup/memory.max": str(8 * _GIB),
                "sys/fs/cgroup/memory.current": str(6 * _GIB),
                "sys/fs/cgroup/memory.stat": f"anon 1\ninactive_file {_GIB}\n",
            },
            Memory(8 * _GIB, 3 * _GIB),
        ),
        ({"sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/memory.current": "1"}, Memory(64 * _GIB, 32 * _GIB)),
        (
            {
                "proc/self/cgroup": "0::/slurm/job_1/step_0\n",
                "sys/fs/cgroup/slurm/job_1/memory.max": str(4 * _GIB),
                "sys/fs/cgroup/slurm/job_1/memory.current": "0",
            },
            Memory(4 * _GIB, 4 * _GIB),
        ),
        (
            {
                "sys/fs/cgroup/memory/memory.limit_in_bytes": str(16 * _GIB),
                "sys/fs/cgroup/memory/memory.usage_in_bytes": str(15 * _GIB),
            },
            Memory(16 * _GIB, _GIB),
        ),
        (
            {
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "1",
            },
            Memory(64 * _GIB, 32 * _GIB),
        ),
    ],
)
def test_memory_is_what_the_group_may_have(tmp_path: Path, files: dict[str, str], expected: Memory) -> None:
    assert memory(_system(tmp_path, files)) == expected


def test_cpus_are_what_the_quota_allows(tmp_path: Path) -> None:
    free = cpus(_system(tmp_path / "free", {"sys/fs/cgroup/cpu.max": "max 100000"}))
    assert free >= 1
    assert cpus(_system(tmp_path / "v2", {"sys/fs/cgroup/cpu.max": "50000 100000"})) == 0.5
    old = {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "25000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}
    assert cpus(_system(tmp_path / "v1", old)) == 0.25
    old["sys/fs/cgroup/cpu/cpu.cfs_quota_us"] = "-1"
    assert cpus(_system(tmp_path / "v1", old)) == free
