"""The endpoint that the serving benchmarks ask: its start, its processes, their deaths, and what its log tells.

Real Ray Serve on CPUs, a model of random weights, in a Ray of its own.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
REPLICA = "ServeReplica:octupus:EngineReplica"
INGRESS = "ServeReplica:octupus:Ingress"
ENGINE_CORE = "VLLM::EngineCore"
PROXY = "ray::ProxyActor"
FRONT = "ray::HAProxyManager"
CONTROLLER = "ray::ServeController"

START_ATTEMPTS = 4
RECOVERY_S = 600.0
POLL_S = 0.5


@dataclass
class Endpoint:
    """A running endpoint."""

    url: str
    """Base URL with /v1."""
    arguments: dict[str, Any]
    """Of the application."""
    logs: Path
    """Directory of Ray's logs."""
    front: bool
    """Whether HAProxy is in front."""

    @property
    def proxy(self) -> str:
        """Name of the process that takes the connections, or that manages the one which does."""
        return FRONT if self.front else PROXY

    def pids(self, name: str) -> list[int]:
        """The living processes of that name, oldest first."""
        found = []
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if name in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append((process.create_time(), process.pid))
        return [pid for _, pid in sorted(found)]

    def deploy(self, **sections: dict[str, Any]) -> None:
        """Run the application with some of its arguments changed; waits until all of it runs.

        Raises RuntimeError when that fails.
        """
        from ray import serve

        from octupus.serve.app import build

        changed = {name: dict(values) for name, values in self.arguments.items()}
        for name, values in sections.items():
            changed[name] = changed.get(name, {}) | values
        serve.run(build(changed), name="octupus", route_prefix="/")

    def healthy(self) -> bool:
        """Whether all replicas run, as Serve says, and requests are answered."""
        from ray import serve
        from ray.exceptions import RayError
        from ray.serve.exceptions import RayServeException

        try:
            application = serve.status().applications.get("octupus")
        except (RayError, RayServeException, TimeoutError):
            return False  # its controller is away
        if application is None or application.status != "RUNNING":
            return False
        return self.answers() and all(
            set(each.replica_states) == {"RUNNING"} for each in application.deployments.values()
        )

    def answers(self) -> bool:
        """Whether a request that needs the ingress is answered."""
        try:
            with urllib.request.urlopen(f"{self.url}/models", timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def failovers(self) -> dict[str, int]:
        """By request id, from the access log: how often its answer was continued elsewhere."""
        return {str(line["request_id"]): int(line.get("failovers", 0)) for line in self.access_lines()}

    def access_lines(self) -> Iterator[dict[str, Any]]:
        """The access log of all ingress replicas there have been."""
        for file in self.logs.rglob("*"):
            if file.suffix not in (".err", ".log", ".out") or not file.is_file():
                continue
            for line in file.read_text(errors="replace").splitlines():
                _, brace, rest = line.partition('{"time": "')
                if brace and '"request_id": "load-' in rest:
                    with suppress(ValueError):  # a line that its process did not live to end
                        yield json.loads(brace + rest)


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = RECOVERY_S) -> float:
    """Seconds until it held. Raises SystemExit when it does not in time."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > timeout_s:
            raise SystemExit(f"not within {timeout_s:g} s: {what}")
        time.sleep(POLL_S)
    return time.monotonic() - started


@contextmanager
def running_endpoint(
    directory: Path, port: int, engines: int = 2, front: bool = False, **sections: dict[str, Any]
) -> Iterator[Endpoint]:
    """An endpoint on 127.0.0.1 while the block runs; the model is written into `directory`.

    With `front`, ports up to `port` + 8 are used, and all endpoints of this process have HAProxy.
    """
    import logging

    from tests.integration.random_model import write_random_model

    if front:
        from octupus.serve.front.environment import enable_front

        enable_front(metrics_port=port + 1, stats_port=port + 2, fallback_port=port + 3)
        os.environ["RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT"] = str(port + 4)
        os.environ["RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT"] = str(port + 8)
    from ray import serve

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    model = directory / "model"
    if not model.exists():
        model.mkdir(parents=True)
        write_random_model(model)
    logs = Path(_start_ray()) / "logs"
    arguments: dict[str, Any] = {"model": {"source": str(model)}, "replicas": {"engines": engines}}
    for name, values in sections.items():
        arguments[name] = arguments.get(name, {}) | values
    endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", arguments, logs, front)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        endpoint.deploy()
        wait_until(endpoint.healthy, "the endpoint runs")
        yield endpoint
    finally:
        serve.shutdown()
        _stop_ray()


def _start_ray() -> str:
    """The session's directory. On a busy machine Ray may not come up within its own time limits: then once more."""
    import ray

    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            # More CPUs than the machine may have: they only count what is placed, which must fit while all is replaced.
            context = ray.init(address="local", num_cpus=12, include_dashboard=False, log_to_driver=False)
        except Exception as error:
            # When its processes are late, Ray raises the bare class.
            if type(error) is not Exception and not isinstance(error, ConnectionError | TimeoutError):
                raise
            print(f"Ray did not start, attempt {attempt}: {error}", flush=True)
            ray.shutdown()
            continue
        return str(context.address_info["session_dir"])
    raise SystemExit("Ray does not start on this machine")


def _stop_ray() -> None:
    import ray

    ray.shutdown()
