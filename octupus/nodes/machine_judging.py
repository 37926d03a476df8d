"""What is wrong with one machine, judged from its facts alone."""

from __future__ import annotations

from collections.abc import Iterator

from octupus.nodes import facts as known
from octupus.nodes.disk import DiskSpace
from octupus.nodes.facts import NodeFacts
from octupus.nodes.findings import Finding, error, warning
from octupus.nodes.gpus import too_old_driver

_GIB = 2**30
NEEDED_DISK = 10 * _GIB
"""In the working directory: a small model with its checkpoints, and the quickstart's runs."""
FULL_DISK = 2**28
"""Less than this is a full disk: a log file or two, and nothing can be written."""
RAY_DISK_SHARE = 0.95
"""Ray takes no more objects on a disk that is fuller: RAY_local_fs_capacity_threshold."""
LEAST_OPEN_FILES = 8192
"""What ray.init recommends (ray/_private/worker.py)."""
LEAST_MEMORY_SHARE = 0.1
"""With less of its memory left a machine is near 0.95 used, where Ray ends workers: RAY_memory_usage_threshold."""
OBJECT_STORE_SHARE = 0.3
"""Ray's object store takes this share of the memory, and no more than /dev/shm: ray/_private/ray_constants.py."""
LEAST_SHARED_MEMORY = 2 * _GIB


def machine_findings(facts: NodeFacts, promised_gpus: float = 0.0) -> list[Finding]:
    """What is wrong with one machine, seen alone; its versions are judged by `version_findings`."""
    return [
        *_disk_findings(facts),
        *_memory_findings(facts),
        *gpu_findings(facts, promised_gpus),
        *_compiler_findings(facts),
        *_limit_findings(facts),
    ]


def gpu_findings(facts: NodeFacts, promised_gpus: float = 0.0) -> list[Finding]:
    """GPUs without driver, and drivers too old for the installed torch."""
    found: list[Finding] = []
    if promised_gpus > len(facts.gpus):
        found.append(
            error(
                facts.name,
                f"Ray counts {promised_gpus:g} GPUs there, and NVIDIA's driver answers for {len(facts.gpus)}",
                "install NVIDIA's driver and, in containers, its container toolkit (nvidia-smi must list the GPUs), "
                "or start Ray there with --num-gpus 0",
            )
        )
    if not facts.gpus:
        return found
    if facts.torch_cuda is None and "torch" in facts.versions:
        found.append(error(facts.name, "torch is a CPU build on a machine with GPUs", "install octupus[gpu] there"))
    driver = facts.gpus[0].driver
    needed = too_old_driver(driver, facts.torch_cuda) if facts.torch_cuda else None
    if needed is not None:
        found.append(
            error(
                facts.name,
                f"NVIDIA's driver {driver} is too old for torch's CUDA {facts.torch_cuda}",
                f"install driver {needed} or newer",
            )
        )
    if facts.nvcc is None:
        found.append(
            warning(
                facts.name,
                "no CUDA compiler (nvcc)",
                "DeepSpeed's offloading and some of vLLM's kernels are compiled with it: install the CUDA toolkit "
                f"{facts.torch_cuda or ''}".rstrip()
                + ", or set CUDA_HOME",
            )
        )
    return found


def full_disks(facts: NodeFacts) -> list[Finding]:
    """Disks of one machine that are full, each told once though several places lie on it."""
    found: dict[tuple[int, int], Finding] = {}
    for place, space in facts.disks.items():
        for finding in full_disk(facts.name, f"{space.path} ({place})", space):
            found.setdefault((space.total, space.free), finding)
    return list(found.values())


def _disk_findings(facts: NodeFacts) -> Iterator[Finding]:
    full = full_disks(facts)
    yield from full
    if full:
        return
    here = facts.disks.get(known.WORKING_DIRECTORY)
    if here is not None and here.free < NEEDED_DISK:
        yield error(
            facts.name,
            f"{here.free / _GIB:.1f} GiB of disk are free in {here.path}; {NEEDED_DISK // _GIB} are needed",
            "free space, or work in a directory on a larger disk",
        )
    spilling = facts.disks.get(known.RAY_DIRECTORY)
    if spilling is not None and spilling.total and 1 - spilling.free / spilling.total > RAY_DISK_SHARE:
        yield warning(
            facts.name,
            f"the disk of {spilling.path} is over {RAY_DISK_SHARE:.0%} full, and Ray spills no objects to such a disk",
            "free space, or start Ray with --temp-dir on a larger disk",
        )


def full_disk(where: str, place: str, space: DiskSpace) -> list[Finding]:
    """One finding when nothing more can be written at `place`, else none."""
    if space.free >= FULL_DISK:
        return []
    what = f"the disk of {place} is full: {space.free // 2**20} MiB of {space.total / _GIB:.1f} GiB are free"
    return [error(where, what, "free space there: old runs, checkpoints and Ray's sessions are the usual causes")]


def _memory_findings(facts: NodeFacts) -> Iterator[Finding]:
    if facts.memory_available < facts.memory_total * LEAST_MEMORY_SHARE:
        yield warning(
            facts.name,
            f"{facts.memory_available / _GIB:.1f} of {facts.memory_total / _GIB:.1f} GiB of memory are available",
            "end what uses it: Ray ends workers when 95 % of a machine's memory are used",
        )
    shared = facts.shared_memory
    least = min(OBJECT_STORE_SHARE * facts.memory_total, LEAST_SHARED_MEMORY)
    if shared is not None and shared.total < least:
        yield warning(
            facts.name,
            f"/dev/shm has {shared.total / _GIB:.1f} GiB",
            "Ray's object store, NCCL and vLLM share memory through it: give the container --shm-size, at least "
            f"{OBJECT_STORE_SHARE * facts.memory_total / _GIB:.0f} GiB, or an emptyDir of medium Memory",
        )


def _compiler_findings(facts: NodeFacts) -> Iterator[Finding]:
    judge = error if facts.gpus else warning  # nothing on the CPU path compiles anything
    for line in facts.missing_compilers:
        what, _, remedy = line.partition(": ")
        yield judge(facts.name, what, remedy)


def _limit_findings(facts: NodeFacts) -> Iterator[Finding]:
    if facts.most_open_files is not None and facts.most_open_files < LEAST_OPEN_FILES:
        yield warning(
            facts.name,
            f"a process may open {facts.most_open_files} files; Ray recommends {LEAST_OPEN_FILES}",
            f"raise the hard limit before `ray start`: ulimit -Hn {LEAST_OPEN_FILES}",
        )
