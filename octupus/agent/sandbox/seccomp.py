"""seccomp: which system calls the running thread, and all it starts, may make from now on. No privilege is needed.

Standard library only. A filter is a program of classic BPF over `struct seccomp_data` (Linux' uapi/linux/seccomp.h).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
from collections.abc import Sequence

Instruction = tuple[int, int, int, int]
"""Operation, jump if true, jump if false, constant."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_CLONE_THREAD = 0x00010000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_X32_CALLS = 0x40000000
"""Numbers from here on are x86-64's second interface, which reaches the same calls."""

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_Calls = dict[str, tuple[int | None, int | None]]
"""Each call's number on x86-64 and on aarch64; None where an architecture lacks it."""

_REFUSED_ALWAYS: _Calls = {
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "open_by_handle_at": (304, 265),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
}
"""Programs, other processes' memory, kernel objects that outlive a process, and what Landlock does not know of."""

_PRETENDED: _Calls = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
}
"""Modes and times, which Landlock does not know of, so that files outside the box could be changed by them.
Nothing that a tool may keep depends on them, and shutil.copy sets them: they seem to work."""

_REFUSED_IN_CALLS: _Calls = {
    "fork": (57, None),
    "vfork": (58, None),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "tkill": (200, 130),
}
"""Processes, and signals in other ways than by `kill` and `tgkill`."""

_DECIDED_BY_ARGUMENT: _Calls = {
    "clone": (56, 220),
    "clone3": (435, 435),
    "socket": (41, 198),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
}


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filters", ctypes.POINTER(_Filter)))


def refuse_outside(libc: ctypes.CDLL, network: bool) -> None:
    """Refuse programs, other processes' memory, kernel objects that outlive a process, and sockets without `network`.

    Raises OSError where the kernel or the architecture has no filters.
    """
    rules = [*_each(_REFUSED_ALWAYS, errno.EPERM), *_each(_PRETENDED, 0)]
    # Callers then take `clone`, whose flags a filter can see.
    rules += _where("clone3", [_fail(errno.ENOSYS)])
    families = [socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK] if network else []
    rules += _where("socket", _unless_first_argument_in([int(family) for family in families]))
    _install(libc, rules)


def refuse_processes(libc: ctypes.CDLL) -> None:
    """Refuse new processes, but not threads, and signals and limits for any process but this one. Raises OSError."""
    own = os.getpid()
    rules = _each(_REFUSED_IN_CALLS, errno.EPERM)
    rules += _where(
        "clone",
        [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_ANY_BIT, 1, 0, _CLONE_THREAD), _fail(errno.EPERM), (_RETURN, 0, 0, _ALLOW)],
    )
    for name, allowed in (("kill", [own]), ("tgkill", [own]), ("prlimit64", [0, own])):
        rules += _where(name, _unless_first_argument_in(allowed))
    _install(libc, rules)


def _fail(number: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | number)


def _where(name: str, block: Sequence[Instruction]) -> list[Instruction]:
    """The block for a call that its argument decides; it has to end in a return."""
    return _on(_DECIDED_BY_ARGUMENT[name], block)


def _each(calls: _Calls, number: int) -> list[Instruction]:
    """An error, or with 0 a success, for each of the calls."""
    return [instruction for numbers in calls.values() for instruction in _on(numbers, [_fail(number)])]


def _on(numbers: tuple[int | None, int | None], block: Sequence[Instruction]) -> list[Instruction]:
    number = numbers[0 if platform.machine() == "x86_64" else 1]
    return [] if number is None else [(_EQUAL, 0, len(block), number), *block]


def _unless_first_argument_in(allowed: Sequence[int]) -> list[Instruction]:
    """Refuse unless the low half of the first argument is one of these; both architectures are little-endian."""
    tests = [(_EQUAL, len(allowed) - place, 0, value) for place, value in enumerate(allowed)]
    return [(_LOAD, 0, 0, _FIRST_ARGUMENT), *tests, _fail(errno.EPERM), (_RETURN, 0, 0, _ALLOW)]


def _install(libc: ctypes.CDLL, rules: Sequence[Instruction]) -> None:
    audit = _AUDIT.get(platform.machine())
    if audit is None:
        raise OSError(f"the system calls of {platform.machine()} are not known here")
    beginning: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, audit),
        _fail(errno.EPERM),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if platform.machine() == "x86_64":
        beginning += [(_AT_LEAST, 0, 1, _X32_CALLS), _fail(errno.EPERM)]
    program = [*beginning, *rules, (_RETURN, 0, 0, _ALLOW)]
    filters = (_Filter * len(program))(*(_Filter(*instruction) for instruction in program))
    described = _Program(len(program), filters)
    if libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(described), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
