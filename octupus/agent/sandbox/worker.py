"""The process that octupus starts for a module of tools. Standard library only; it runs nothing foreign itself.

It is a keeper: it starts the process that imports the module (`zygote.py`), and when that ends, or when octupus closes
the socket or dies, it ends whatever is left and removes the box. So nothing outlives octupus, however octupus ends.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from pathlib import Path

from octupus.agent.sandbox import box, confine, frames, zygote


def main() -> None:
    """Serve on the socket whose descriptor is the last argument; its first frame is the `zygote.Setup`."""
    control = int(sys.argv[-1])
    confine.allow_few_memory_arenas()
    first = frames.read_frame(control)
    if first is None:
        return
    setup = zygote.Setup(**json.loads(first[1]))
    os.environ.clear()
    _silence()
    confine.adopt_orphans()
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(woken)
        os.close(wakes)
        confine.die_with_parent(keeper)
        zygote.serve(control, setup)
        os._exit(0)
    _wait(control, woken, child)
    _end(child)
    box.clear(setup.box)
    Path(setup.box).rmdir()
    os._exit(0)


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _wait(control: int, woken: int, child: int) -> None:
    """Until octupus hangs up or the child ends. What octupus sends is the child's to read."""
    poll = select.poll()
    poll.register(control, select.POLLHUP)
    poll.register(woken, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == control:
                return
            os.read(woken, 4096)
            if os.waitpid(child, os.WNOHANG)[0] == child:
                return


def _end(child: int) -> None:
    """Kill the child, then what it left behind, which is this process's by now."""
    _kill(child)
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if ended == 0:
            for process in _children():
                _kill(process)
            os.waitpid(-1, 0)


def _children() -> list[int]:
    try:
        return [int(process) for process in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return
