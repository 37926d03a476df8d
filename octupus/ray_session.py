"""The Ray cluster that a job works on."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from octupus.errors import OctupusError
from octupus.nodes.requirements import require_ready
from octupus.nodes.survey import survey
from octupus.telemetry import event

logger = logging.getLogger(__name__)


@contextmanager
def ray_session(
    num_cpus: int | None = None, storages: Sequence[str | Path] = (), inputs: Sequence[Path] = ()
) -> Iterator[None]:
    """Connected to Ray while the block runs.

    Uses the instance this process is connected to; else the cluster that RAY_ADDRESS names, as in a submitted job; else
    a private local one of `num_cpus` CPUs (all of them by default). What is started here is shut down here.

    Several nodes must have the same versions and the same octupus, share `storages` (paths or URLs) and see `inputs`.
    Raises NodesError, which names the nodes and the remedies, when they do not.
    """
    import ray

    if ray.is_initialized():
        _require_ready_nodes(storages, inputs)
        yield
        return
    # Ray would look for `uv run` among the parent processes, and fails when one of them ends meanwhile.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    if os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    else:
        ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    try:
        _require_ready_nodes(storages, inputs)
        yield
    finally:
        ray.shutdown()


def _require_ready_nodes(storages: Sequence[str | Path], inputs: Sequence[Path]) -> None:
    """Before hours of work. What differs between nodes shows nowhere else until it makes wrong results."""
    import ray

    alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    if len(alive) < 2:
        return
    started = time.monotonic()
    require_ready(survey([str(each) for each in storages], [str(each) for each in inputs]))
    event(logger, "nodes.ready", nodes=len(alive), seconds=time.monotonic() - started)


def failure_reason(error: Exception) -> str:
    """What to say of a failed run of Ray Train: an octupus error of a worker is the cause, the rest its consequence."""
    failures: dict[int, Exception] = getattr(error, "worker_failures", {})
    for failure in failures.values():
        cause = getattr(failure, "cause", failure)
        if isinstance(cause, OctupusError):
            return str(cause)
    return str(error)
