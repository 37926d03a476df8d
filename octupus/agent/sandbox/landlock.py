"""Landlock: which files the running thread, and all it starts, may read and write from now on. No privilege is needed.

Standard library only. Rights and structures are those of Linux' include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_OF_FILES = (1 << 0) | _WRITE_FILE | _READ_FILE | _TRUNCATE | (1 << 15)
"""Rights that a rule on a file may give; the others are of directories."""
_BITS_OF_ABI = (0, 13, 14, 15, 15, 16)
"""How many file rights each version of the interface knows; versions above the last know as many as that."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi(libc: ctypes.CDLL) -> int:
    """The version of the kernel's Landlock; 0 where there is none."""
    version: int = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    return max(0, version)


def restrict(libc: ctypes.CDLL, read: Iterable[str], write: Iterable[str], network: bool) -> int:
    """Refuse all files but those beneath `read` and `write`; without `network` TCP too. Paths that do not exist are
    passed over. Gives the version of Landlock that holds. Raises OSError when it is refused.

    Programs cannot be run from anywhere. Signals and abstract sockets stay within what is restricted (version 6).
    """
    version = abi(libc)
    if version == 0:
        raise OSError("this kernel has no Landlock")
    known = (1 << _BITS_OF_ABI[min(version, len(_BITS_OF_ABI) - 1)]) - 1
    ruleset = _Ruleset(known, 0b11 if version >= 4 and not network else 0, 0b11 if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    descriptor = _checked(libc.syscall(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(size), 0))
    try:
        reading = _READ_FILE | _READ_DIR
        writing = known & ~(1 << 0) & ~_MAKE_CHAR & ~_MAKE_BLOCK
        for rights, paths in ((reading, read), (writing, write)):
            for path in paths:
                _allow(libc, descriptor, path, rights & known)
        _checked(libc.syscall(_RESTRICT_SELF, descriptor, 0))
    finally:
        os.close(descriptor)
    return version


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            rights &= _OF_FILES
        rule = _PathBeneath(rights, opened)
        _checked(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(opened)


def _checked(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer
