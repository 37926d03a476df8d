"""The Ray cluster that a job works on."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ray_session(num_cpus: int | None = None) -> Iterator[None]:
    """Connected to Ray while the block runs.

    Uses the instance this process is connected to; else the cluster that RAY_ADDRESS names, as in a submitted job; else
    a private local one of `num_cpus` CPUs (all of them by default). What is started here is shut down here.
    """
    import ray

    if ray.is_initialized():
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
        yield
    finally:
        ray.shutdown()
