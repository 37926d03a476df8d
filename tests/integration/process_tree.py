"""The processes of this machine, as /proc shows them: who is whose child, and what they call themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    name: str
    """Its command line, which Ray and vLLM overwrite with what the process is for."""


def processes() -> list[Process]:
    """All that live, zombies left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            name = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue  # gone meanwhile
        if state != "Z":
            found.append(Process(int(folder.name), int(parent), name))
    return found


def descendants(root: int) -> list[Process]:
    """Children of `root`, their children and so on, sorted by name."""
    everything, found, parents = processes(), [], {root}
    while parents:
        children = [process for process in everything if process.parent in parents]
        found += children
        parents = {process.pid for process in children}
    return sorted(found, key=lambda process: process.name)


def alive(pids: set[int]) -> set[int]:
    return pids & {process.pid for process in processes()}


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = 180) -> None:
    deadline = monotonic() + timeout_s
    while not holds():
        assert monotonic() < deadline, f"not within {timeout_s} s: {what}"
        sleep(0.2)
