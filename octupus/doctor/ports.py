"""Ports that Ray and the endpoint will want, and which program has them now."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from octupus.nodes.findings import Finding, error, warning
from octupus.serve.ports import port_in_use

_LISTENING = "0A"
"""TCP_LISTEN in /proc/net/tcp, as the kernel's include/net/tcp_states.h numbers it."""
_OF_RAY = ("ray", "gcs_server", "plasma")
"""How the names of Ray's own processes begin."""


@dataclass(frozen=True)
class WantedPort:
    """A port, who will listen there, and how to choose another."""

    port: int
    purpose: str
    remedy: str
    needed: bool = False
    """Whether nothing works without it; else another port is taken, or only some set-ups want it."""
    ray_may: bool = False
    """Whether it is well that Ray has it already."""


RAY_PORTS = (
    WantedPort(6379, "the Ray cluster's head", "give another: ray start --head --port 6380", ray_may=True),
    WantedPort(8265, "Ray's dashboard and job server", "give another: ray start --dashboard-port 8266", ray_may=True),
    WantedPort(8404, "HAProxy's statistics", "give another: octupus front --stats-port 8405", ray_may=True),
    WantedPort(9101, "HAProxy's metrics", "give another: octupus front --metrics-port 9102", ray_may=True),
    WantedPort(8500, "Serve's proxy behind HAProxy", "set RAY_SERVE_FALLBACK_PROXY_HTTP_PORT", ray_may=True),
)


@dataclass(frozen=True)
class Listener:
    """A process that listens on a port."""

    pid: int
    name: str
    """The kernel's short name of the process; its command line may hold secrets."""

    @property
    def is_ray(self) -> bool:
        """Whether it is one of Ray's, or the HAProxy that Serve starts."""
        return self.name.startswith(_OF_RAY) or self.name == "haproxy"


def endpoint_port(port: int) -> WantedPort:
    """The port on which `serve run` will listen."""
    return WantedPort(port, "the endpoint", "end that program or choose another port with --port", needed=True)


def port_findings(wanted: Iterable[WantedPort], proc: Path = Path("/proc")) -> list[Finding]:
    """Ports of this machine's loopback that another program has."""
    taken = [want for want in wanted if port_in_use(want.port)]
    listeners = who_listens({want.port for want in taken}, proc) if taken else {}
    return [finding for want in taken for finding in judge_port(want, listeners.get(want.port))]


def judge_port(want: WantedPort, listener: Listener | None) -> Iterator[Finding]:
    """The finding for a port in use; none where it is in use by the program that should have it."""
    if want.ray_may and listener is not None and listener.is_ray:
        return
    program = "another program" if listener is None else f"{listener.name} (process {listener.pid})"
    what = f"port {want.port} is in use by {program}; {want.purpose} listens there"
    yield (error if want.needed else warning)("this machine", what, want.remedy)


def who_listens(ports: set[int], proc: Path = Path("/proc")) -> dict[int, Listener]:
    """The process behind each port, as far as this user may see: others' processes stay unnamed."""
    sockets = {inode: port for port, inode in _listening(proc) if port in ports}
    found: dict[int, Listener] = {}
    for process in proc.iterdir():
        if process.name.isdigit() and len(found) < len(ports):
            for inode in _sockets(process) & sockets.keys():
                found.setdefault(sockets[inode], Listener(int(process.name), _name(process)))
    return found


def _listening(proc: Path) -> Iterator[tuple[int, str]]:
    """Port and socket's inode of each line of /proc/net/tcp and tcp6; the columns are in Linux's proc_net_tcp.rst."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue  # no such protocol, or no such system
        for words in map(str.split, lines):
            if words[3] == _LISTENING:
                yield int(words[1].rpartition(":")[2], 16), words[9]


def _sockets(process: Path) -> set[str]:
    try:
        entries = list((process / "fd").iterdir())
    except OSError:
        return set()  # it has ended, or is another user's
    inodes = set()
    for entry in entries:
        with contextlib.suppress(OSError):  # closed meanwhile, as that of the listing itself is
            target = str(entry.readlink())
            if target.startswith("socket:["):
                inodes.add(target[len("socket:[") : -1])
    return inodes


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a program that has just ended"
