"""The process that has a module imported and forks one process for each call. Standard library only.

Calls never share what a module keeps: each begins with the module as it was after its import. The main thread runs
nothing foreign, so that it goes on answering whatever the module does.
"""

from __future__ import annotations

import contextlib
import contextvars
import gc
import json
import os
import select
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from octupus.agent.sandbox import box, calls, confine, frames, loading

CHECK_BOXES_S = 0.1
"""How often the size of the calls' boxes is looked at; more seldom where looking takes long."""
IMPORT_MEMORY_BYTES = 8 * 1024 * confine.MIB
"""Address space for importing a module; large packages map a few GiB."""


@dataclass(frozen=True)
class Setup:
    """What a process is started for, as its first frame says in JSON."""

    module: str
    """A dotted name, or the absolute path of a file."""
    describe: bool
    """Whether functions are described by their signatures and docstrings; otherwise by nothing but their names."""
    paths: list[str]
    """Where modules are looked for, in order."""
    read: list[str]
    """Directories and files that may be read beside Python's own."""
    box: str
    timeout_s: float
    start_timeout_s: float
    memory_mib: int
    result_bytes: int
    network: bool


@dataclass
class _Running:
    """A call that is under way."""

    number: int
    process: int
    results: int
    """The pipe's end that its frame is read from."""
    box: str
    deadline: float
    received: bytearray = field(default_factory=bytearray)


def serve(control: int, setup: Setup) -> None:
    """Import the module, tell of its functions, then run calls until the socket closes."""
    statm = _own_memory()
    missing = confine.confine_module(setup.read, setup.box, setup.network)
    os.chdir(setup.box)
    started = _import(setup)
    confine.end_import_limits()
    gc.collect()
    gc.freeze()
    failed = {"failed": started} if isinstance(started, str) else {"functions": started.described}
    frames.write_all(control, frames.frame(0, json.dumps({**failed, "missing": missing}).encode()))
    if isinstance(started, str):
        return
    _Zygote(control, setup, started, statm).run()


def _own_memory() -> int | None:
    """/proc/self/statm, opened before /proc is out of reach."""
    try:
        return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _import(setup: Setup) -> loading.Loaded | str:
    """The module imported in a thread that can start no process, or why it cannot be."""
    outcome: list[loading.Loaded | str] = []

    def load() -> None:
        confine.confine_import()
        try:
            loaded = loading.load(setup.module, setup.paths, setup.describe)
        except loading.LoadError as error:
            outcome.append(str(error))
        else:
            # Such as the precision of `decimal`, which belongs to the thread that sets it.
            loaded.context = contextvars.copy_context()
            outcome.append(loaded)

    confine.limit_for_import(IMPORT_MEMORY_BYTES, int(setup.start_timeout_s) * (os.cpu_count() or 1) + 1)
    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join()
    return outcome[0] if outcome else "its import ended without a word"


class _Zygote:
    def __init__(self, control: int, setup: Setup, loaded: loading.Loaded, statm: int | None) -> None:
        self._control = control
        self._setup = setup
        self._loaded = loaded
        self._statm = statm
        self._running: dict[int, _Running] = {}
        """By the pipe's end."""
        self._free_boxes: list[str] = []
        self._next_check = 0.0
        self._longest = frames.longest_payload(setup.result_bytes)
        self._cpu_s = int(setup.timeout_s + 1) * (os.cpu_count() or 1)

    def run(self) -> None:
        """Until octupus hangs up; the keeper ends what is then under way."""
        while True:
            poll = select.poll()
            poll.register(self._control, select.POLLIN)
            for descriptor in self._running:
                poll.register(descriptor, select.POLLIN)
            for descriptor, _ in poll.poll(self._patience_ms()):
                if descriptor == self._control:
                    request = frames.read_frame(self._control)
                    if request is None:
                        return
                    self._take(*request)
                elif descriptor in self._running:
                    self._read(self._running[descriptor])
            self._check_limits()

    def _patience_ms(self) -> int | None:
        if not self._running:
            return None
        nearest = min(call.deadline for call in self._running.values()) - time.monotonic()
        return int(1000 * max(0.0, min(nearest, CHECK_BOXES_S))) + 1

    def _take(self, number: int, request: bytes) -> None:
        if request:
            try:
                self._start(number, request)
            except OSError as error:
                self._answer(number, calls.broken(f"it could not be started: {error}"))
            return
        for call in list(self._running.values()):
            if call.number == number:
                self._end(call)

    def _start(self, number: int, request: bytes) -> None:
        own_box = self._take_box(number)
        results, gives = os.pipe()
        memory = self._memory()
        zygote = os.getpid()
        process = os.fork()
        if process == 0:
            try:
                os.setpgid(0, 0)
                confine.die_with_parent(zygote)
                for descriptor in (self._control, results, *self._running, *([self._statm] if self._statm else [])):
                    os.close(descriptor)
                os.chdir(own_box)
                os.environ.update(HOME=own_box, TMPDIR=own_box)
                confine.confine_call(own_box, memory, self._setup.memory_mib, self._cpu_s)
                calls.run(self._loaded, request, gives, self._setup.result_bytes, self._setup.memory_mib)
                os._exit(0)
            finally:
                os._exit(70)  # nothing of the zygote's may run in this process
        os.close(gives)
        self._running[results] = _Running(number, process, results, own_box, time.monotonic() + self._setup.timeout_s)

    def _take_box(self, number: int) -> str:
        """An empty directory that no other call uses; a former call's where there is one, since making them is slow."""
        if self._free_boxes:
            return self._free_boxes.pop()
        made = Path(self._setup.box) / f"of call {number}"
        made.mkdir(mode=0o700)
        return str(made)

    def _memory(self) -> int:
        """Address space of this process in bytes."""
        if self._statm is None:
            return 0
        return int(os.pread(self._statm, 256, 0).split()[0]) * os.sysconf("SC_PAGE_SIZE")

    def _read(self, call: _Running) -> None:
        part = os.read(call.results, 1 << 20)
        call.received += part
        header = frames.HEADER.size
        length = frames.HEADER.unpack_from(call.received)[0] if len(call.received) >= header else None
        if length is not None and length > self._longest:
            self._finish(call, calls.broken("it wrote what is no result"))
        elif length is not None and len(call.received) >= header + length:
            self._finish(call, bytes(call.received[header : header + length]))
        elif not part:
            self._finish(call, calls.broken(_how_it_ended(call.process, self._setup)))

    def _check_limits(self) -> None:
        now = time.monotonic()
        for call in list(self._running.values()):
            if now >= call.deadline:
                self._finish(call, calls.out_of_time(self._setup.timeout_s))
        if now < self._next_check:
            return
        for call in list(self._running.values()):
            if box.fuller_than(call.box, confine.BOX_BYTES):
                limit = confine.BOX_BYTES // confine.MIB
                self._finish(call, calls.broken(f"it wrote more than the {limit} MiB of files that it may"))
        ended = time.monotonic()
        self._next_check = ended + max(CHECK_BOXES_S, 4 * (ended - now))

    def _finish(self, call: _Running, answer: bytes) -> None:
        # The process first: an answer means that nothing of the call is left.
        self._end(call)
        self._answer(call.number, answer)

    def _end(self, call: _Running) -> None:
        del self._running[call.results]
        os.close(call.results)
        for kill in (os.killpg, os.kill):
            try:
                kill(call.process, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        with contextlib.suppress(ChildProcessError):  # it may have been waited for when its pipe closed
            os.waitpid(call.process, 0)
        if box.clear(call.box):
            self._free_boxes.append(call.box)

    def _answer(self, number: int, payload: bytes) -> None:
        frames.write_all(self._control, frames.frame(number, payload))


def _how_it_ended(process: int, setup: Setup) -> str:
    """What became of a process that closed its pipe without a result."""
    for _ in range(200):
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            break
        time.sleep(0.001)
    else:
        return "it closed what its result goes to"
    if not os.WIFSIGNALED(status):
        return f"it ended its process with exit status {os.WEXITSTATUS(status)}"
    number = os.WTERMSIG(status)
    if number == signal.SIGXCPU:
        return f"it took more processor time than {setup.timeout_s:g} s on every processor"
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"its process was ended by {name}"
