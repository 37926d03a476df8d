"""The connection to the cluster that `octupus doctor` looks at; it never starts a Ray."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from octupus.errors import OctupusError

_CONNECT_TIMEOUT_S = 10


class ConnectionFailedError(OctupusError):
    """There is no cluster where it was looked for, or it lets this process not in."""


@contextmanager
def connected() -> Iterator[str]:
    """Connected to the cluster of RAY_ADDRESS, or else to the one of this machine; gives its address.

    Raises ConnectionFailedError, also when Ray or Python here is another version than the cluster's.
    """
    import ray

    if ray.is_initialized():
        yield ray.get_runtime_context().gcs_address
        return
    address = os.environ.get("RAY_ADDRESS") or "auto"
    if address.startswith(("http://", "https://")):
        raise ConnectionFailedError(
            f"RAY_ADDRESS {address} is a job server, through which no node can be asked; run the doctor there: "
            "ray job submit --working-dir . -- octupus doctor --cluster"
        )
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # see octupus/ray_session.py
    try:
        _require_listener(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise ConnectionFailedError(_explained(address, error)) from error
    try:
        yield ray.get_runtime_context().gcs_address
    finally:
        ray.shutdown()


def _require_listener(address: str) -> None:
    """Raises OSError where nobody listens: Ray itself would ask for minutes."""
    from ray._private.services import canonicalize_bootstrap_address_or_die

    if address.startswith("ray://"):
        address = address.removeprefix("ray://")
    else:
        address = canonicalize_bootstrap_address_or_die(address)
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_TIMEOUT_S).close()


def _explained(address: str, error: Exception) -> str:
    reasons = " ".join(f"{error} {error.__cause__ or ''}".split())
    if "Version mismatch" in reasons:
        return (
            f"the cluster at {address} has another Ray or Python: {reasons}; install the cluster's here, or run the "
            "doctor there: ray job submit --working-dir . -- octupus doctor --cluster"
        )
    what = f"cannot connect to a Ray cluster at {address}: {reasons}"
    return f"{what}; start one with `ray start --head`, or set RAY_ADDRESS to the address of another"
