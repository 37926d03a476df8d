"""Whether the endpoint's port is free, asked before anything is started."""

from __future__ import annotations

import socket


def port_in_use(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def port_advice(port: int) -> str:
    """What to do about a port in use."""
    return f"port {port} is in use by another program; end that program or choose another with --port"
