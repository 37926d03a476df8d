"""What the engine replica is working on, seen from inside it rather than through the ingress that is tested."""

from __future__ import annotations

import os

import psutil
import ray
from ray.util import list_named_actors

from ..process_tree import descendants

NAMESPACE = "serve"
"""Where Serve keeps its actors."""


class EngineLoad:
    """Of the only replica in the Ray instance that this process has started."""

    def __init__(self) -> None:
        names = [actor["name"] for actor in list_named_actors(all_namespaces=True) if actor["namespace"] == NAMESPACE]
        [replica] = [name for name in names if "#EngineReplica#" in name]
        self._replica = ray.get_actor(replica, NAMESPACE)
        [core] = [process for process in descendants(os.getpid()) if "EngineCore" in process.name]
        self._core = psutil.Process(core.pid)

    def requests(self) -> int:
        """Calls of the replica's `generate` that have not ended; one ends only once vLLM has been told to abort it."""
        return int(ray.get(self._replica.get_num_ongoing_requests.remote()))

    def core_cpu_s(self) -> float:
        """CPU time that vLLM's EngineCore has taken, in seconds; while it has nothing to run it takes none."""
        times = self._core.cpu_times()
        return float(times.user + times.system)
