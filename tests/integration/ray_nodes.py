"""Ray nodes of this machine, started as `ray start` starts those of a cluster, and killed as machines die."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

from .process_tree import Process, alive, descendants, wait_until

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
STARTING_S = 120


@dataclass(frozen=True)
class RayNode:
    """A node: `ray start --block`, whose children are the node's raylet and agents, and theirs the workers."""

    process: subprocess.Popen[bytes]
    output: Path

    def processes(self) -> list[Process]:
        """All of the node, sorted by name."""
        return descendants(self.process.pid)

    def kill(self) -> float:
        """End all of its processes at once, as a power cut does; gives the time of it."""
        # The raylet first: nothing is then left that could tell the cluster.
        mine = sorted(self.processes(), key=lambda each: "raylet" not in each.name)
        killed_at = time.monotonic()
        for pid in [self.process.pid, *(each.pid for each in mine)]:
            with suppress(ProcessLookupError):
                os.kill(pid, SIGKILL)
        self.process.wait()
        wait_until(lambda: not alive({each.pid for each in mine}), "the node's processes are gone", 30)
        return killed_at


class RayNodes:
    """A head without CPUs, as in `clusters/`, and nodes that come and go. Its token and its directory are its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._nodes: list[RayNode] = []
        self._port, self.dashboard_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.dashboard_port}"
        self.environment = os.environ | {
            "RAY_TMPDIR": str(directory),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_API_SERVER_ADDRESS": self.url,
            "RAY_USAGE_STATS_ENABLED": "0",
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }

    def start_head(self) -> None:
        """Start the node that no work is given to."""
        dashboard = (
            "--include-dashboard=true",
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={self.dashboard_port}",
        )
        self._start("--head", "--num-cpus=0", f"--port={self._port}", *dashboard)

    def add(self, cpus: int) -> RayNode:
        """Start a node and wait until it is part of the cluster."""
        return self._start(f"--address=127.0.0.1:{self._port}", f"--num-cpus={cpus}", "--node-manager-port=0")

    def run(self, *command: str | Path, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        """A command of a person at the cluster, from the root of the project."""
        return subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )

    def submit(self, *entrypoint: str | Path, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """`ray job submit`, as the README gives it."""
        shipped = ("--working-dir", ".", "--runtime-env", "clusters/runtime_env.yaml")
        return self.run("ray", "job", "submit", *shipped, *options, "--", "python", *entrypoint)

    def end(self) -> None:
        for node in reversed(self._nodes):
            node.kill()

    def _start(self, *arguments: str) -> RayNode:
        # A directory for each: nodes of one machine that share one unpack jobs' files over each other.
        place = self._directory / str(len(self._nodes))
        place.mkdir()
        output = place / "node.txt"
        command = ["ray", "start", "--block", "--node-ip-address=127.0.0.1", "--object-store-memory=200000000"]
        command += ["--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0"]
        command += [f"--temp-dir={place}", *arguments]
        with output.open("wb") as stream:
            process = subprocess.Popen(
                command, env=self.environment | {"RAY_TMPDIR": str(place)}, stdout=stream, stderr=subprocess.STDOUT
            )
        node = RayNode(process, output)
        self._nodes.append(node)

        def there() -> bool:
            assert process.poll() is None, output.read_text()
            return "Ray runtime started." in output.read_text()

        wait_until(there, "the node has started", STARTING_S)
        return node


@contextmanager
def ray_nodes() -> Iterator[RayNodes]:
    """A head; everything of it and of the nodes that are added is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="octupus_nodes_"))  # short, as the paths of sockets must be
    nodes = RayNodes(directory)
    try:
        nodes.start_head()
        yield nodes
    finally:
        nodes.end()
        shutil.rmtree(directory, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
