"""What a survey of a cluster found, as plain values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from octupus.nodes.clock import ClockOffset
from octupus.nodes.disk import DiskSpace
from octupus.nodes.facts import NodeFacts


@dataclass(frozen=True)
class StorageVisit:
    """One storage as one node sees it."""

    location: str
    shared: bool | None
    """Whether node and driver read what the other wrote; None when that could not be found out."""
    failure: str | None = None
    """Why the node could not read or write there."""
    full: bool = False
    """Whether it could not write because the disk is full."""
    space: DiskSpace | None = None


@dataclass(frozen=True)
class NodeReport:
    """A node that Ray holds for alive."""

    node_id: str
    address: str
    promised_gpus: float
    """GPUs that Ray may place work on."""
    facts: NodeFacts | None
    failure: str | None = None
    """Why there are no facts."""
    clock: ClockOffset | None = None
    """Its clock against the driver's."""
    storages: tuple[StorageVisit, ...] = ()
    missing_inputs: tuple[str, ...] = ()
    """Paths asked for that it does not see."""

    @property
    def name(self) -> str:
        """What to call the node."""
        return self.facts.name if self.facts else f"{self.address} (node {self.node_id[:8]})"


@dataclass(frozen=True)
class DeadNode:
    """A node that left the cluster."""

    node_id: str
    address: str
    reason: str
    expected: bool
    """Whether it was taken away on purpose, as idle nodes are."""


@dataclass(frozen=True)
class DriverStorage:
    """One storage as the driver sees it."""

    location: str
    failure: str | None
    full: bool
    space: DiskSpace | None


@dataclass(frozen=True)
class Survey:
    """The driver's machine, and every node of the cluster it is connected to."""

    driver: NodeFacts
    nodes: tuple[NodeReport, ...]
    dead: tuple[DeadNode, ...] = ()
    storages: tuple[DriverStorage, ...] = ()

    @property
    def facts(self) -> list[NodeFacts]:
        """The driver's facts, then those of every node that answered."""
        return [self.driver, *(node.facts for node in self.nodes if node.facts is not None)]

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return dataclasses.asdict(self)
