"""What a tool can reach: its box, and nothing else that is not Python's own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from octupus.agent.tools.python_source import PythonSource
from octupus.agent.tools.status import Status
from tests.agent.sandbox.harness import MISBEHAVING, run, running, sandbox

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="confinement is Linux's")


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTUPUS_TEST_SECRET", "sk-secret")


async def _refused(source: PythonSource, tool: str, **arguments: Any) -> None:
    result, _ = await source.call(tool, arguments, None)
    assert result.status == Status.TOOL_ERROR, (tool, arguments, result)
    assert any(said in result.text for said in ("PermissionError", "cross-device")), (tool, arguments, result)


def test_this_machine_confines_completely() -> None:
    async def test(source: PythonSource) -> None:
        assert source._process.confinement is not None
        assert source._process.confinement.missing == ()

    run(test)


def test_no_file_outside_can_be_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")

    async def test(source: PythonSource) -> None:
        for path in (
            "/etc/passwd",
            f"/proc/{os.getpid()}/environ",
            "/proc/self/environ",
            str(secret),
            "/proc/1/cmdline",
        ):
            await _refused(source, "read", path=path)
        for path in ("/", str(Path.home()), "/tmp", "/etc", str(tmp_path), "/proc", "/dev/shm"):
            await _refused(source, "list_directory", path=path)
        result, _ = await source.call("read", {"path": str(MISBEHAVING)}, None)
        assert result.ok  # the module's own directory can be

    run(test)


def test_the_environment_is_empty() -> None:
    async def test(source: PythonSource) -> None:
        result, _ = await source.call("environment", {}, None)
        assert set(json.loads(result.text)) <= {"HOME", "TMPDIR", "LC_CTYPE"}

    run(test)


def test_no_file_outside_can_be_changed(tmp_path: Path) -> None:
    own = tmp_path / "tools.py"
    own.write_bytes(MISBEHAVING.read_bytes())
    other = tmp_path / "other.py"

    async def test() -> None:
        source = await PythonSource.open(str(own))
        try:
            for path in (own, other):
                other.write_text("as it was")
                for how in ("write", "append", "truncate", "remove", "rename", "link", "symlink", "owner", "directory"):
                    await _refused(source, "change", how=how, path=str(path))
                for how in ("mode", "times"):
                    before = path.stat()
                    await source.call("change", {"how": how, "path": str(path)}, None)
                    after = path.stat()
                    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
            assert own.read_bytes() == MISBEHAVING.read_bytes()
            assert other.read_text() == "as it was"
            result, _ = await source.call("count_calls", {}, None)
            assert result.ok
        finally:
            await source.close()

    asyncio.run(test())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.py", "tools.py"]


def test_no_process_can_be_started() -> None:
    async def test(source: PythonSource) -> None:
        for what in ("fork", "clone", "exec", "spawn", "run"):
            await _refused(source, "start", what=what)

    run(test)


def test_no_other_process_can_be_signalled_or_limited() -> None:
    other = subprocess.Popen(["sleep", "60"])

    async def test(source: PythonSource) -> None:
        for process in (0, other.pid, os.getpid()):
            for how in ("kill", "group", "limit"):
                await _refused(source, "signal_process", how=how, process=process)

    try:
        run(test)
        assert running(other.pid)
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()


def test_there_is_no_network_unless_it_is_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        port = server.getsockname()[1]

        async def refused(source: PythonSource) -> None:
            await _refused(source, "connect", port=port)
            for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, socket.AF_PACKET):
                await _refused(source, "open_socket", family=int(family))

        async def allowed() -> None:
            async with sandbox(network=True) as source:
                call = asyncio.create_task(source.call("connect", {"port": port}, None))
                connection, _ = await asyncio.to_thread(server.accept)
                with connection:
                    connection.sendall(b"hello")
                result, _ = await call
                assert json.loads(result.text) == "hello"
                await _refused(source, "open_socket", family=int(socket.AF_UNIX))

        run(refused)
        asyncio.run(allowed())


def test_dangerous_system_calls_are_refused() -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are x86-64's")

    async def test(source: PythonSource) -> None:
        # ptrace, mount, unshare, bpf, io_uring_setup, shmget, memfd_create, the x32 form of fork
        for number in (101, 165, 272, 321, 425, 29, 319, 57 + 0x40000000):
            result, _ = await source.call("call", {"number": number}, None)
            assert result.text == "1", number  # EPERM

    run(test)


def test_limits_cannot_be_lifted() -> None:
    async def test(source: PythonSource) -> None:
        result, _ = await source.call("raise_limits", {}, None)
        memory, file, processor, files = json.loads(result.text)
        assert 0 < memory < 4 * 1024**3
        assert file == 64 * 1024**2
        assert 0 < processor < 10_000
        assert files == 256

    run(test)


def test_the_box_is_empty_for_each_call_whatever_was_left_in_it() -> None:
    async def test(source: PythonSource) -> None:
        for _ in range(2):
            result, _ = await source.call("use_box", {}, None)
            assert json.loads(result.text) == []
        result, _ = await source.call("own_privileges", {}, None)
        assert list(Path(json.loads(result.text)["directory"]).iterdir()) == []

    run(test)


def test_the_box_takes_no_more_than_a_bounded_amount() -> None:
    async def test(source: PythonSource) -> None:
        result, _ = await source.call("fill_box", {"mib": 1024, "files": 1}, None)
        assert result.status == Status.TOOL_ERROR
        assert "File too large" in result.text
        result, _ = await source.call("fill_box", {"mib": 50, "files": 100}, None)
        assert result.status == Status.REQUEST_ERROR
        assert "256 MiB" in result.text
        result, _ = await source.call("fill_box", {"mib": 1, "files": 1}, None)
        assert result.ok

    run(test, timeout_s=30)
