"""HAProxy's configuration as octupus wants it, made from the one that Ray Serve writes.

Serve's template binds statistics and metrics to all interfaces and answers its own failures as plain text; no setting
of Serve changes either.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

FRONTENDS = ("frontend http_frontend", "frontend grpc_frontend")
ALL_INTERFACES = ("", "*", "0.0.0.0", "::", "[::]")

# A request can be asked again when all of it is held; one that does not come whole must not be waited for forever.
_SETTINGS = ("option http-buffer-request", "timeout http-request 30s")

# What HAProxy answers by itself, which clients may all ask again. Its 400 for what is not HTTP cannot be changed.
_FAILURES = {
    408: ("request_timeout", "the request did not arrive in time"),
    502: ("bad_gateway", "the server's replica ended before it answered; ask again"),
    503: ("service_unavailable", "no replica of the server is ready; ask again in a moment"),
    504: ("gateway_timeout", "the server's replica did not answer in time"),
}


@dataclass(frozen=True)
class Hosts:
    """Where HAProxy listens."""

    frontend: str
    """For requests, when Serve was given no interface."""
    metrics: str
    """For statistics, Prometheus, and whatever else a later Serve may add."""


def hardened(text: str, hosts: Hosts) -> str:
    """Serve's configuration with every listener bound to `hosts`, and failures in OpenAI's envelope.

    Hardening what is hardened changes nothing.
    """
    lines: list[str] = []
    section = ""
    for line in text.splitlines():
        words = line.split()
        if words and not line[0].isspace():
            section = " ".join(words[:2])
        if words[:1] == ["bind"]:
            line = f"    bind {_address(words[1], section, hosts)}{''.join(f' {word}' for word in words[2:])}"
        if words[:1] in (["errorfile"], ["http-error"]) or line.strip() in _SETTINGS:
            continue
        lines.append(line)
        if words == ["defaults"]:
            lines += [f"    {setting}" for setting in _SETTINGS]
            lines += [_failure(status) for status in _FAILURES]
    return "\n".join(lines) + "\n"


def has_backends(text: str) -> bool:
    """Whether requests are sent on to anything."""
    return any(line.split()[:1] == ["use_backend"] for line in text.splitlines())


def admin_socket(text: str) -> str | None:
    """Path of the Unix socket on which HAProxy takes commands."""
    for line in text.splitlines():
        words = line.split()
        if words[:2] == ["stats", "socket"]:
            return words[2]
    return None


def _address(address: str, section: str, hosts: Hosts) -> str:
    host, _, port = address.rpartition(":")
    if section not in FRONTENDS:
        return f"{hosts.metrics}:{port}"
    return f"{hosts.frontend if host in ALL_INTERFACES else host}:{port}"


def _failure(status: int) -> str:
    code, message = _FAILURES[status]
    body = json.dumps({"error": {"message": message, "type": "server_error", "param": None, "code": code}})
    retry = " hdr Retry-After 1" if status == 503 else ""
    return f"    http-error status {status} content-type application/json string {shlex.quote(body)}{retry}"
