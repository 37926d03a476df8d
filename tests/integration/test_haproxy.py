"""HAProxy in front of real Ray Serve: where it listens, what it passes on, and that it ends with its node."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

pytestmark = pytest.mark.timeout(300)

PORT = 8490
REPLICA_PORTS = range(8494, 8497)

DRIVER = f"""
import asyncio, os, time
os.environ |= {{
    "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": "{REPLICA_PORTS[0]}",
    "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": "{REPLICA_PORTS[-1]}",
}}
from octupus.serve.front.environment import enable_front
enable_front(metrics_port=8497, stats_port=8498, fallback_port=8499)

import ray
from ray import serve
from starlette.responses import JSONResponse, StreamingResponse

@serve.deployment(max_ongoing_requests=100)
class Streams:
    def __init__(self):
        self.gates, self.closed = {{}}, 0

    async def __call__(self, request):
        name = request.query_params.get("name", "")
        if request.url.path == "/die" and not os.path.exists(name):
            await request.body()
            open(name, "w").close()
            os._exit(1)
        if request.url.path == "/open":
            self.gates[name].set()
        if request.url.path == "/stream":
            gate = self.gates[name] = asyncio.Event()
            return StreamingResponse(self.events(gate), media_type="text/event-stream")
        return JSONResponse({{"closed": self.closed}})

    async def events(self, gate):
        try:
            yield "data: first\\n\\n"
            await gate.wait()
            yield "data: last\\n\\n"
        except (asyncio.CancelledError, GeneratorExit):
            self.closed += 1
            raise

ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
serve.start(http_options={{"host": "127.0.0.1", "port": {PORT}}})
serve.run(Streams.bind())
print("UP", flush=True)
time.sleep(600)
"""


def eventually(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """What `condition` gives, once it gives something; it is asked until it does."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.1)
    return found


@contextmanager
def running_driver(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that starts Ray and Serve of its own; killed without warning at the end."""
    script = directory / "driver.py"
    script.write_text(DRIVER)
    with (directory / "stderr").open("w") as errors:
        driver = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert driver.stdout is not None
        started = "UP\n" in iter(driver.stdout.readline, "")
        assert started, (directory / "stderr").read_text()[-3000:]
        eventually(lambda: httpx.get(f"http://127.0.0.1:{PORT}/").status_code == 200)
        yield driver
    finally:
        driver.kill()
        driver.wait()


def descendants(driver: subprocess.Popen[str]) -> list[psutil.Process]:
    children: list[psutil.Process] = psutil.Process(driver.pid).children(recursive=True)
    return children


def haproxies() -> list[psutil.Process]:
    """Those that listen on the endpoint's port."""
    listening = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == PORT and connection.pid is not None
    }
    found: list[psutil.Process] = []
    for pid in listening:
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            found.append(psutil.Process(pid))
    return found


def addresses(processes: list[psutil.Process]) -> dict[int, str]:
    """Where the processes listen: host by port."""
    found: dict[int, str] = {}
    for process in processes:
        try:
            connections = process.net_connections("tcp")
        except psutil.NoSuchProcess:
            continue
        found |= {each.laddr.port: each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN}
    return found


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    with running_driver(tmp_path_factory.mktemp("driver")) as process:
        yield process


@pytest.fixture
def client(driver: subprocess.Popen[str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=30) as client:
        yield client


def test_listens_on_loopback_alone(driver: subprocess.Popen[str]) -> None:
    # Serve reloads HAProxy while the application comes up, so one may go while it is looked at.
    eventually(lambda: addresses(haproxies()) == {PORT: "127.0.0.1", 8497: "127.0.0.1", 8498: "127.0.0.1"})
    replicas = {port: host for port, host in addresses(descendants(driver)).items() if port in REPLICA_PORTS}
    assert set(replicas.values()) == {"127.0.0.1"}


def test_events_are_passed_on_as_they_come(client: httpx.Client) -> None:
    with client.stream("GET", "/stream", params={"name": "gated"}) as response:
        lines = response.iter_lines()
        assert next(lines) == "data: first"  # the application waits for the gate before it goes on
        httpx.get(f"http://127.0.0.1:{PORT}/open", params={"name": "gated"})
        assert "data: last" in list(lines)


def test_a_client_that_leaves_is_noticed_by_the_application(client: httpx.Client) -> None:
    closed = client.get("/").json()["closed"]
    with client.stream("GET", "/stream", params={"name": "left"}) as response:
        next(response.iter_lines())
    eventually(lambda: client.get("/").json()["closed"] == closed + 1)


def test_a_request_whose_replica_dies_before_it_answers_is_asked_again(client: httpx.Client, tmp_path: Path) -> None:
    died = tmp_path / "died"
    assert client.post("/die", params={"name": str(died)}, content=b"x" * 40_000).status_code == 200
    assert died.exists()


def test_no_request_fails_while_the_manager_of_haproxy_is_replaced(client: httpx.Client) -> None:
    [before] = eventually(lambda: len(haproxies()) == 1 and haproxies())
    with client.stream("GET", "/stream", params={"name": "kept"}) as response:
        lines = response.iter_lines()
        assert next(lines) == "data: first"
        os.kill(before.ppid(), signal.SIGKILL)
        statuses = []

        def relieved() -> bool:
            # A connection of its own for each request: it is new ones that a listener without backends fails.
            statuses.append(httpx.get(f"http://127.0.0.1:{PORT}/").status_code)
            return before not in haproxies()

        eventually(relieved, seconds=90)
        statuses += [httpx.get(f"http://127.0.0.1:{PORT}/").status_code for _ in range(100)]
        assert set(statuses) == {200}
        client.get("/open", params={"name": "kept"})
        assert "data: last" in list(lines)


def test_haproxy_ends_with_its_node_and_the_port_is_free_again(driver: subprocess.Popen[str], tmp_path: Path) -> None:
    driver.kill()
    driver.wait()
    eventually(lambda: not haproxies(), seconds=15)
    with running_driver(tmp_path):
        assert haproxies()
    eventually(lambda: not haproxies(), seconds=15)
