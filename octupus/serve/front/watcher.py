"""Ends HAProxy with its node, a process beside each HAProxy; run as a file, with the standard library alone.

HAProxy outlives the Serve actor that manages it, which is good for a minute: Serve starts another manager, and
meanwhile requests are answered. It must not outlive the node (a raylet): it would hold the port of the next start.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

GRACE_S = 60.0
"""How long HAProxy may go on without a manager."""


def parent_of(pid: int) -> int:
    """Process id of the parent of `pid`; 1 when `pid` is gone."""
    try:
        # The name, in parentheses, may hold spaces.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 1


def watch(haproxy: int, manager: int, node: int, grace_s: float = GRACE_S) -> None:
    """Wait for HAProxy to end, and end it with `node`, or without a successor `grace_s` after `manager`.

    A successor tells HAProxy to finish what it answers and to go; that is left to it. Left alone, HAProxy is told the
    same: it gives the port free and has Serve's `hard-stop-after` for the answers under way.
    """
    own = _descriptor(haproxy)
    if own is None:
        return
    waiting = {pid: _descriptor(pid) if pid > 1 else None for pid in (manager, node)}
    told = False
    while True:
        if waiting[node] is None:
            signal.pidfd_send_signal(own, signal.SIGKILL)
            return
        managed = waiting[manager] is not None
        descriptors = [descriptor for descriptor in (own, waiting[manager], waiting[node]) if descriptor is not None]
        ended, _, _ = select.select(descriptors, [], [], None if managed or told else grace_s)
        if own in ended:
            return
        for pid in (manager, node):
            if waiting[pid] in ended:
                waiting[pid] = None
        if not ended:
            signal.pidfd_send_signal(own, signal.SIGUSR1)
            told = True


def _descriptor(pid: int) -> int | None:
    """Something to wait on for the end of a process; None when it has ended."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


if __name__ == "__main__":
    watch(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
