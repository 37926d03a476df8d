"""What a process that runs tools gives up: files, network, programs, privileges. Standard library only.

Every measure is taken that this machine has; the others are named, so that nobody relies on them.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence

from octupus.agent.sandbox import landlock, seccomp

MIB = 1024 * 1024
FILE_BYTES = 64 * MIB
"""Longest file that a call may write."""
BOX_BYTES = 256 * MIB
"""All files of a call together."""
OPEN_FILES = 256
_MEMORY_FOR_THE_ERROR = 32 * MIB
"""Given back when memory ran out, so that this can be told."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38
_CAPABILITY_VERSION_3 = 0x20080522
_READ_ALL_FILES = 1 << 2
"""CAP_DAC_READ_SEARCH: a root that reads other users' tools goes on reading them; Landlock still holds."""

SYSTEM_FILES = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/etc/ld.so.cache",
    "/etc/mime.types",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
)
NETWORK_FILES = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/run/systemd/resolve",
)

_libc = ctypes.CDLL(None, use_errno=True)


def confine_module(read: Sequence[str], box: str, network: bool) -> list[str]:
    """Confine this process to reading Python and `read`, and to writing in `box`. Gives what could not be had."""
    if not sys.platform.startswith("linux"):
        return [f"{sys.platform} has neither Landlock nor seccomp: files, network and processes are not confined"]
    missing = []
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        missing.append("no_new_privs: programs could gain privileges")
    if not _drop_capabilities():
        missing.append("capset: the capabilities of this user stay")
    files = [*SYSTEM_FILES, *(NETWORK_FILES if network else ()), sys.base_prefix, *read]
    try:
        version = landlock.restrict(_libc, files, [box, os.devnull], network)
    except OSError as error:
        missing.append(f"Landlock ({error}): files outside the box are not protected")
    else:
        if version < 3:
            missing.append(f"Landlock of version {version}: files outside the box could be made empty")
    try:
        seccomp.refuse_outside(_libc, network)
    except OSError as error:
        missing.append(f"seccomp ({error}): network, programs and new processes are not refused")
    return missing


def confine_import() -> None:
    """Let the running thread, and threads that it starts, start no process."""
    _refuse_processes()


def confine_call(box: str, memory_base: int, memory_mib: int, cpu_s: int) -> None:
    """Confine a call: writing in its own box alone, no process but this one, and limits.

    `memory_base` is what the process had in bytes of address space before the call.
    """
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CPU, cpu_s),
    ):
        _limit(kind, limit, limit)
    if sys.platform.startswith("linux"):
        memory = memory_base + memory_mib * MIB
        _limit(resource.RLIMIT_AS, memory, memory + _MEMORY_FOR_THE_ERROR)
        if landlock.abi(_libc) > 0:
            # Reading is confined already; two domains allow what both allow.
            landlock.restrict(_libc, ["/"], [box, os.devnull], network=True)
    _refuse_processes()


def give_memory_for_the_error() -> None:
    """Lift the limit on memory by the little that telling of it takes."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    _limit(resource.RLIMIT_AS, hard, hard)


def limit_for_import(memory_bytes: int, cpu_s: int) -> None:
    """Bound memory and processor time while a module is imported; `end_import_limits` lifts both."""
    for kind, limit in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, cpu_s)):
        _limit(kind, limit, resource.getrlimit(kind)[1])


def end_import_limits() -> None:
    """Take back `limit_for_import`: later calls have limits of their own."""
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU):
        hard = resource.getrlimit(kind)[1]
        _limit(kind, hard, hard)


def die_with_parent(parent: int) -> None:
    """Be killed as soon as the process `parent`, which started this one, ends."""
    if sys.platform.startswith("linux"):
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of all processes below whose own parent ends."""
    if sys.platform.startswith("linux"):
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def allow_few_memory_arenas() -> None:
    """Keep malloc from reserving 64 MiB of addresses for each thread, which a limit on addresses would count."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(-8, 2)  # M_ARENA_MAX


def _refuse_processes() -> None:
    if sys.platform.startswith("linux"):
        try:
            seccomp.refuse_processes(_libc)
        except OSError:
            return  # told once, by confine_module


def _limit(kind: int, soft: int, hard: int) -> None:
    _, highest = resource.getrlimit(kind)
    if highest != resource.RLIM_INFINITY:
        soft = highest if soft == resource.RLIM_INFINITY else min(soft, highest)
        hard = highest if hard == resource.RLIM_INFINITY else min(hard, highest)
    # macOS knows some limits without admitting them.
    try:
        resource.setrlimit(kind, (soft, hard))
    except (ValueError, OSError):
        return


def _drop_capabilities() -> bool:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # Effective, permitted, inheritable; the second three are capabilities from number 32 on.
    held = (ctypes.c_uint32 * 6)()
    if _libc.capget(ctypes.byref(header), ctypes.byref(held)) != 0:
        return False
    kept = held[0] & _READ_ALL_FILES
    left = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)
    return int(_libc.capset(ctypes.byref(header), ctypes.byref(left))) == 0
