"""Starting and ending: modules that cannot be imported, processes that are lost, and that nothing outlives anything."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from octupus.agent.sandbox import confinement, connection
from octupus.agent.sandbox import process as sandbox_process
from octupus.agent.tools.config import LimitsConfig
from octupus.agent.tools.python_source import PythonSource
from octupus.agent.tools.status import Status
from octupus.errors import ConfigError
from tests.agent.sandbox.harness import MISBEHAVING, descendants, running, sandbox

TOOL = '''
def work() -> str:
    """Works."""
    return "worked"
'''


def _wait_until_gone(processes: set[int]) -> None:
    deadline = time.monotonic() + 10
    while any(map(running, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [process for process in processes if running(process)]


@pytest.mark.parametrize(
    ("beginning", "said"),
    [
        ("raise RuntimeError('not today')", "RuntimeError: not today"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import os; os._exit(3)", "ended while it was imported"),
        ("import os; os.kill(os.getpid(), 9)", "ended while it was imported"),
        ("import os; os.fork()", "PermissionError"),
        ("import subprocess; subprocess.run(['sleep', '60'])", "PermissionError"),
        ("import socket; socket.socket()", "PermissionError"),
        ("open('/etc/passwd')", "PermissionError"),
        ("import time; time.sleep(100)", "longer than 2 s"),
        ("while True: pass", "longer than 2 s"),
        ("taken = bytearray(10 << 30)", "MemoryError"),
        ("def broken(:", "SyntaxError"),
        ("import no_such_module", "No module named 'no_such_module'"),
    ],
)
def test_a_module_that_cannot_be_imported_is_an_error(tmp_path: Path, beginning: str, said: str) -> None:
    module = tmp_path / "tools.py"
    module.write_text(beginning + TOOL)
    before = descendants(os.getpid())
    slow = "2 s" in said
    with pytest.raises(ConfigError, match=r"tools\.py") as caught:
        asyncio.run(PythonSource.open(str(module), start_timeout_s=2 if slow else 60))
    assert said in str(caught.value)
    assert descendants(os.getpid()) <= before


def test_threads_of_an_import_do_not_stop_calls(tmp_path: Path) -> None:
    module = tmp_path / "tools.py"
    module.write_text("import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()\n" + TOOL)

    async def test() -> None:
        source = await PythonSource.open(str(module))
        result, _ = await source.call("work", {}, None)
        assert result.text == '"worked"'
        await source.close()

    asyncio.run(test())


def test_no_process_and_no_box_are_left_after_close() -> None:
    async def test() -> set[int]:
        async with sandbox() as source:
            hanging = asyncio.create_task(source.call("hang", {}, None))
            result, _ = await source.call("own_privileges", {}, None)
            box = Path(json.loads(result.text)["directory"]).parent
            processes = descendants(os.getpid())
            assert len(processes) >= 3  # the keeper, the zygote, and the call
        result, _ = await hanging
        assert result.status == Status.REQUEST_ERROR
        assert not box.exists()
        return processes

    before = descendants(os.getpid())
    processes = asyncio.run(test()) - before
    assert processes
    assert not [process for process in processes if running(process)]


def test_a_lost_process_is_replaced() -> None:
    async def test() -> None:
        before = descendants(os.getpid())
        async with sandbox() as source:
            hanging = asyncio.create_task(source.call("hang", {}, {}))
            await source.call("count_calls", {}, None)
            lost = descendants(os.getpid()) - before
            os.kill(source._process._connection._process.pid, signal.SIGKILL)  # type: ignore[union-attr]
            result, after = await hanging
            assert result.status == Status.REQUEST_ERROR
            assert "ended" in result.text
            assert after == {}
            result, _ = await source.call("count_calls", {}, None)
            assert result.ok
            await asyncio.to_thread(_wait_until_gone, lost)

    asyncio.run(test())


def test_a_process_that_answers_nothing_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_process, "ANSWER_GRACE_S", 0.5)

    async def test() -> None:
        async with sandbox(timeout_s=1) as source:
            before = {source._process._connection._process.pid}  # type: ignore[union-attr]
            (zygote,) = descendants(before.copy().pop())
            os.kill(zygote, signal.SIGSTOP)
            result, _ = await source.call("count_calls", {}, None)
            assert result.status == Status.TIMEOUT
            assert not running(zygote)
            result, _ = await source.call("count_calls", {}, None)
            assert result.ok

    asyncio.run(test())


def test_an_idle_process_is_ended_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_process, "IDLE_S", 0.1)

    async def test() -> None:
        async with sandbox() as source:
            await source.call("count_calls", {}, None)
            process = source._process._connection._process.pid  # type: ignore[union-attr]
            await asyncio.to_thread(_wait_until_gone, {process})
            result, _ = await source.call("count_calls", {}, None)
            assert result.ok

    asyncio.run(test())


def test_nothing_outlives_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import asyncio, sys\n"
        "from octupus.agent.tools.config import LimitsConfig\n"
        "from octupus.agent.tools.python_source import PythonSource\n"
        "async def main():\n"
        f"    source = await PythonSource.open({str(MISBEHAVING)!r}, LimitsConfig(timeout_s=300))\n"
        "    calls = [asyncio.create_task(source.call(name, {}, None)) for name in ('hang', 'spin')]\n"
        "    await asyncio.sleep(0.5)\n"
        "    print('ready', flush=True)\n"
        "    await asyncio.gather(*calls)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        below = descendants(parent.pid)
        assert len(below) >= 3
        boxes = {Path(f"/proc/{process}/cwd").readlink() for process in below} - {Path("/")}
        assert boxes
    finally:
        parent.kill()
        parent.wait()
        assert parent.stdout is not None
        parent.stdout.close()
    _wait_until_gone(below)
    assert not [box for box in boxes if box.exists()]


def test_a_module_that_is_not_there_is_named() -> None:
    for module in ("no/such/file.py", "no_such_package.tools"):
        with pytest.raises(ConfigError, match=r"no/such/file.py|no_such_package"):
            asyncio.run(PythonSource.open(module, LimitsConfig()))


WITHOUT_CONFINEMENT = """
import platform, sys
sys.path.insert(0, sys.argv[1])
from octupus.agent.sandbox import landlock, worker
landlock.abi = lambda libc: 0
platform.machine = lambda: "riscv64"
worker.main()
"""


def test_a_machine_without_confinement_is_named_once_and_limits_hold(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection, "_OPTIONS", (*connection._OPTIONS[:-1], WITHOUT_CONFINEMENT))
    monkeypatch.setattr(confinement, "_told", set())
    monkeypatch.setattr(logging.getLogger("octupus"), "propagate", True)
    caplog.set_level(logging.INFO, "octupus.agent.sandbox")

    async def test() -> None:
        before = descendants(os.getpid())
        for _ in range(2):
            async with sandbox(timeout_s=2, memory_mib=64) as source:
                assert source._process.confinement is not None
                assert not source._process.confinement.complete
                forked = await source.call("start", {"what": "fork"}, None)
                assert forked[0].status == Status.OK
                outcomes = [
                    (await source.call(tool, arguments, None))[0].status
                    for tool, arguments in (("hang", {}), ("allocate", {"mib": 1000}), ("count_calls", {}))
                ]
                assert outcomes == [Status.TIMEOUT, Status.REQUEST_ERROR, Status.OK]
        # A process that a tool could start here is not left either.
        assert descendants(os.getpid()) <= before

    asyncio.run(test())
    (line,) = [record.getMessage() for record in caplog.records]
    assert "sandbox_incomplete" in line
    assert "Landlock" in line
    assert "seccomp" in line


def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    async def test() -> None:
        before = descendants(os.getpid())
        for wait in (0.0, 0.02, 0.1):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    source = await PythonSource.open(str(MISBEHAVING))
                    await source.close()
        await asyncio.to_thread(_wait_until_gone, descendants(os.getpid()) - before)

    asyncio.run(test())
