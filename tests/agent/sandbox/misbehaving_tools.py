"""Tools that do what tools must not do. Only ever run in a sandbox; the tests of the sandbox call each of them."""

# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH109, PTH123, PTH208, PTH211

import asyncio
import ctypes
import json
import math
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from decimal import Decimal, getcontext
from pathlib import Path
from typing import Any

CATEGORY = "Mischief"
CALLS: list[int] = []
CONNECTION = sqlite3.connect(":memory:", check_same_thread=False)
getcontext().prec = 50


def initial_state(seed: int) -> dict[str, Any]:
    return {"seed": seed, "items": []}


def add(number: int, state: dict[str, Any]) -> dict[str, Any]:
    """Adds a number to the state."""
    state["items"].append(number)
    return {"items": len(state["items"])}


def add_then_raise(number: int, state: dict[str, Any]) -> str:
    """Changes the state, then fails."""
    state["items"].append(number)
    raise LookupError("there is no such number")


def add_then_vanish(number: int, state: dict[str, Any]) -> str:
    """Changes the state, then ends its process."""
    state["items"].append(number)
    os._exit(3)


def spoil_state(how: str, state: dict[str, Any]) -> str:
    """Leaves a state that is no JSON."""
    state["spoilt"] = {"tuple": (1, 2), "key": {1: 2}, "nan": math.nan, "cycle": state, "set": {1}}[how]
    return "done"


def count_calls() -> int:
    """Counts in a global variable."""
    CALLS.append(1)
    return len(CALLS)


def echo(value: Any) -> Any:
    """Gives back what it got."""
    return value


def third() -> str:
    """A third, as precise as the import asked for."""
    return str(Decimal(1) / Decimal(3))


def drawn() -> float:
    """A random number."""
    return random.random()


async def waited() -> str:
    """A coroutine."""
    await asyncio.sleep(0)
    return "waited"


def hang() -> str:
    """Never returns, and does not end at a request."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(1)


def spin() -> str:
    """Never returns, and is busy."""
    while True:
        pass


def crash(how: str) -> str:
    """Ends its process."""
    if how == "abort":
        os.abort()
    if how == "segfault":
        ctypes.string_at(0)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        sys.exit(7)
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "close":
        os.closerange(0, 100)
        time.sleep(5)
    return "still here"


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


def fail(how: str) -> str:
    """Raises."""
    if how == "unspeakable":
        raise Unspeakable
    if how == "recursion":
        return fail(how)
    if how == "surrogate":
        raise ValueError("a lone \ud800 surrogate")
    raise ValueError("long " * 10_000)


def say_garbage() -> str:
    """Prints to everything there is."""
    print("x" * 1_000_000, flush=True)
    for descriptor in (0, 1, 2):
        os.write(descriptor, b"\x00garbage" * 1000)
    return "said"


def forge(text: str) -> str:
    """Writes what is no frame to every descriptor."""
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, text.encode())
        except OSError:
            continue
    os._exit(0)


def give(what: str) -> Any:
    """Gives a result that is none."""
    cycle: list[Any] = []
    cycle.append(cycle)
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    return {
        "nan": math.nan, "infinity": math.inf, "bytes": b"x", "set": {1}, "cycle": cycle, "object": object(),
        "surrogate": "\ud800", "deep": deep,
    }[what]  # fmt: skip


def give_bytes(count: int) -> str:
    """A long result."""
    return "x" * count


def allocate(mib: int) -> int:
    """Takes memory and touches it."""
    taken = bytearray(mib * 1024 * 1024)
    taken[::4096] = b"x" * len(taken[::4096])
    return len(taken)


def allocate_by_blocks(mib: int) -> int:
    """Takes memory in small pieces."""
    return len(["x" * 1024 + str(number) for number in range(mib * 1024)])


def start(what: str) -> str:
    """Starts processes."""
    if what == "fork":
        if os.fork() == 0:
            time.sleep(60)
    elif what == "clone":
        number = 56 if os.uname().machine == "x86_64" else 220
        if ctypes.CDLL(None, use_errno=True).syscall(number, 17, 0, 0, 0, 0) < 0:
            raise OSError(ctypes.get_errno(), "clone")
    elif what == "exec":
        os.execv("/bin/true", ["true"])
    elif what == "spawn":
        os.posix_spawn("/bin/true", ["true"], {})
    else:
        subprocess.run(["true"], check=True)
    return "started"


def use_threads(count: int) -> int:
    """Starts threads, which is allowed."""
    done: list[int] = []
    threads = [threading.Thread(target=done.append, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(done)


def connect(port: int) -> str:
    """Reaches out for the network."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        return connection.recv(100).decode()


def open_socket(family: int) -> str:
    """Opens a socket."""
    with socket.socket(family, socket.SOCK_STREAM):
        return "opened"


def read(path: str) -> str:
    """Reads a file."""
    return Path(path).read_text(errors="replace")[:100]


def list_directory(path: str) -> list[str]:
    """Lists a directory."""
    return sorted(os.listdir(path))


def environment() -> dict[str, str]:
    """The environment's variables."""
    return dict(os.environ)


def change(how: str, path: str) -> str:
    """Changes a file that is not its own."""
    if how == "write":
        Path(path).write_text("changed")
    elif how == "append":
        with open(path, "a") as stream:
            stream.write("changed")
    elif how == "truncate":
        os.truncate(path, 0)
    elif how == "remove":
        os.unlink(path)
    elif how == "rename":
        os.rename(path, path + ".moved")
    elif how == "link":
        os.link(path, "linked")
        Path("linked").write_text("changed")
    elif how == "symlink":
        os.symlink(path, "linked")
        Path("linked").write_text("changed")
    elif how == "mode":
        os.chmod(path, 0)
    elif how == "times":
        os.utime(path, (0, 0))
    elif how == "owner":
        os.chown(path, 12345, 12345)
    elif how == "directory":
        os.mkdir(path + ".directory")
    return "changed"


def fill_box(mib: int, files: int) -> str:
    """Writes files into its box."""
    for number in range(files):
        with open(f"file {number}", "wb") as stream:
            for _ in range(mib):
                stream.write(b"x" * 1024 * 1024)
    return "filled"


def use_box() -> list[str]:
    """Uses its box as programs use a directory, and leaves what is hard to remove."""
    before = os.listdir()
    Path("a").write_text("text")
    shutil.copy2("a", "b")
    with tempfile.TemporaryDirectory() as directory:
        shutil.move("b", directory)
    os.symlink("/", "root")
    os.mkdir("closed", 0o000)
    here = os.getcwd()
    for _ in range(400):
        os.mkdir("deeper and deeper")
        os.chdir("deeper and deeper")
    os.chdir(here)
    return before


def signal_process(how: str, process: int) -> str:
    """Sends a signal to a process that is not its own."""
    process = process or os.getppid()
    if how == "limit":
        import resource

        resource.prlimit(process, resource.RLIMIT_CPU, (0, 0))
    elif how == "group":
        os.killpg(os.getpgid(process), signal.SIGKILL)
    else:
        os.kill(process, signal.SIGKILL)
    return "signalled"


def call(number: int, first: int = 0) -> int:
    """Makes a system call; gives its error."""
    libc = ctypes.CDLL(None, use_errno=True)
    return ctypes.get_errno() if libc.syscall(number, first, 0, 0, 0, 0, 0) < 0 else 0


def raise_limits() -> list[int]:
    """Tries to lift its limits; gives those that hold afterwards."""
    import resource

    kinds = [resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU, resource.RLIMIT_NOFILE]
    for kind in kinds:
        try:
            resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except (ValueError, OSError):
            continue
    return [resource.getrlimit(kind)[1] for kind in kinds]


def own_privileges() -> dict[str, Any]:
    """What it is asked about itself."""
    return json.loads(json.dumps({"directory": os.getcwd(), "process": os.getpid(), "parent": os.getppid()}))
