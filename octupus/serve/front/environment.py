"""The environment variables that put HAProxy in front of Ray Serve; without them Serve's own proxy answers.

Serve reads them when its processes start, so they belong in the environment of `ray start`, of a cluster's containers,
or of a driver that starts a local Ray. Port and host of the endpoint stay where Serve documents them: `http_options`.
"""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from octupus.errors import ConfigError

FRONTEND_HOST = "OCTUPUS_FRONT_HOST"
"""Read by the launcher: where the endpoint listens when http_options name no interface."""
METRICS_HOST = "OCTUPUS_FRONT_METRICS_HOST"
"""Read by the launcher: where HAProxy's statistics and Prometheus pages listen."""
LAUNCHER = "octupus-haproxy"
LOOPBACK = "127.0.0.1"


def front_environment(
    host: str = LOOPBACK,
    *,
    metrics_host: str = LOOPBACK,
    metrics_port: int = 9101,
    stats_port: int = 8404,
    fallback_port: int = 8500,
) -> dict[str, str]:
    """Environment variables for every process that starts Ray.

    `host` is where the endpoint listens when `http_options.host` is all interfaces, which is Serve's default with
    HAProxy; a cluster of several nodes needs 0.0.0.0 in both, since HAProxy asks replicas of other nodes over the
    network. `fallback_port` is that of Serve's own proxy, which HAProxy asks when an application has no replica.
    Raises ConfigError where octupus is installed without its launcher of HAProxy.
    """
    directory = f"/tmp/octupus-haproxy-{os.getuid()}"  # short: the path of a Unix socket has at most 97 characters
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(_launcher()),
        # As long as the manager waits for HAProxy itself: after Serve's 5 s a busy machine's manager would be killed.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",
        # A request whose replica dies before the answer begins is asked again elsewhere: it has changed nothing.
        # HAProxy can do that for requests that fit its buffer.
        "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
        # Three refused connections mark a replica as down; the next try must still be left for another.
        "RAY_SERVE_HAPROXY_RETRIES": "5",
        "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": str(2**16),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics_port),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats_port),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback_port),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{directory}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{directory}/admin.sock",
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": f"{directory}/metrics.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": directory,
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{directory}/server-state",
        FRONTEND_HOST: host,
        METRICS_HOST: metrics_host,
    }


def enable_front(host: str = LOOPBACK, **ports: int) -> None:
    """Put HAProxy in front of a Ray that this process is about to start; `ports` as in `front_environment`.

    Raises ConfigError when Serve has been imported: it has read the variables by then.
    """
    if "ray.serve" in sys.modules:
        raise ConfigError("HAProxy must be asked for before ray.serve is imported")
    os.environ.update(front_environment(host, **ports))  # type: ignore[arg-type]  # all of `ports` are numbers


def shell_exports(environment: Mapping[str, str]) -> str:
    """Lines that `eval` takes: `eval "$(octupus front)"`."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items())


def _launcher() -> Path:
    path = Path(sysconfig.get_path("scripts")) / LAUNCHER
    if not os.access(path, os.X_OK):
        raise ConfigError(f"{path} is missing; install octupus again, which puts it there")
    return path
