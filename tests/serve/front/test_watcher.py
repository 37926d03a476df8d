"""HAProxy ends with its node; here with processes that only wait in the place of all three."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Thread

import pytest

from octupus.serve.front.watcher import parent_of, watch

WAITS = "import signal, sys; signal.signal(signal.SIGUSR1, lambda *_: sys.exit(7)); print(flush=True); signal.pause()"


@dataclass
class Processes:
    haproxy: subprocess.Popen[bytes]
    manager: subprocess.Popen[bytes]
    node: subprocess.Popen[bytes]

    def watched(self, grace_s: float) -> Thread:
        thread = Thread(target=watch, args=(self.haproxy.pid, self.manager.pid, self.node.pid, grace_s), daemon=True)
        thread.start()
        return thread


@pytest.fixture
def processes() -> Iterator[Processes]:
    three = [subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE) for _ in range(3)]
    for process in three:
        assert process.stdout is not None
        process.stdout.readline()
    yield Processes(*three)
    for process in three:
        process.kill()
        process.wait()


def test_the_end_of_the_node_ends_haproxy_at_once(processes: Processes) -> None:
    watcher = processes.watched(grace_s=1000)
    processes.node.kill()
    assert processes.haproxy.wait(timeout=10) == -9
    watcher.join(timeout=10)
    assert not watcher.is_alive()


def test_without_a_manager_haproxy_is_told_to_finish(processes: Processes) -> None:
    processes.manager.kill()
    processes.watched(grace_s=0.01)
    assert processes.haproxy.wait(timeout=10) == 7


def test_the_node_counts_after_the_manager_too(processes: Processes) -> None:
    processes.watched(grace_s=1000)
    processes.manager.kill()
    processes.manager.wait()
    processes.node.kill()
    assert processes.haproxy.wait(timeout=10) == -9


def test_the_watcher_ends_with_haproxy(processes: Processes) -> None:
    watcher = processes.watched(grace_s=1000)
    processes.haproxy.kill()
    watcher.join(timeout=10)
    assert not watcher.is_alive()
    assert processes.manager.poll() is None


def test_parents() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        import os

        assert parent_of(child.pid) == os.getpid()
    assert parent_of(child.pid) == 1
