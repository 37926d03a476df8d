"""What is used to which share, what is used most, and the cluster that it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.cluster_scaling.constants import (
    CORES_PER_NODE,
    FAST_NETWORK,
    GPUS_PER_NODE,
    HEAD_MEMORY,
    NODE_DAYS,
    NVLINK,
    REACHED,
    STORAGE,
)

SIZES = (8, 64, 512)
"""GPUs of the clusters that are compared."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Equal nodes beside a head, with one shared storage."""

    gpus: int
    network: float = FAST_NETWORK
    """Bytes a second that leave a node."""
    storage: float = STORAGE
    """Bytes a second of the shared storage, for all nodes together."""
    head_memory: float = HEAD_MEMORY

    @property
    def nodes(self) -> int:
        return -(-self.gpus // GPUS_PER_NODE)

    @property
    def cores(self) -> int:
        return self.nodes * CORES_PER_NODE

    @property
    def failure_s(self) -> float:
        """Mean seconds between failures of any node: failures of nodes are independent and alike."""
        return NODE_DAYS * 86_400 / self.nodes

    def nvlink_s(self, size: float) -> float:
        """Seconds in which one ring over all GPUs moves `size` bytes past every GPU, within nodes."""
        return size * (self.gpus - 1) / self.gpus / (NVLINK * REACHED)

    def network_s(self, size: float) -> float:
        """The same between nodes: each byte of a ring enters and leaves a node once, over all its ports together."""
        return size * (self.gpus - 1) / self.gpus / (self.network * REACHED) if self.nodes > 1 else 0.0

    def storage_s(self, size: float) -> float:
        """Seconds for `size` bytes to or from the shared storage."""
        return size / self.storage


@dataclass(frozen=True, slots=True)
class Use:
    """How much of a resource is used while the GPUs (data: the cores) work at their own pace."""

    resource: str
    share: float
    """1 is all of it: beyond that, the work waits for this resource; of memory, it fails."""
    setting: str
    """What moves it."""


def first_saturated(uses: Sequence[Use]) -> Use:
    """The one that is used most."""
    return max(uses, key=lambda use: use.share)


def saturation(uses_at: Callable[[int], Sequence[Use]]) -> tuple[int, Use] | None:
    """The smallest cluster of whole nodes that waits for something, and what it uses most; None up to the largest."""
    for gpus in range(GPUS_PER_NODE, max(SIZES) + 1, GPUS_PER_NODE):
        most = first_saturated(uses_at(gpus))
        if most.share > 1:
            return gpus, most
    return None
