"""Machines and surveys that never were, for judging."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from octupus.nodes.cluster import DriverStorage, NodeReport, StorageVisit, Survey
from octupus.nodes.disk import DiskSpace
from octupus.nodes.facts import RAY_DIRECTORY, WORKING_DIRECTORY, NodeFacts
from octupus.versions import TESTED

GIB = 2**30
SPACE = DiskSpace("/data", 1000 * GIB, 500 * GIB)


def machine(name: str, **changes: Any) -> NodeFacts:
    """A machine on which nothing is wrong, but for `changes`."""
    facts = NodeFacts(
        hostname=name,
        node_id="",
        versions={"python": "3.11.7", "octupus": "0.1.0", **TESTED},
        source_sha256="a" * 64,
        cpus=8.0,
        memory_total=64 * GIB,
        memory_available=60 * GIB,
        disks={WORKING_DIRECTORY: SPACE, RAY_DIRECTORY: SPACE},
        shared_memory=DiskSpace("/dev/shm", 32 * GIB, 32 * GIB),
        gpus=(),
        driver_cuda=None,
        torch_cuda=None,
        nvcc=None,
        missing_compilers=(),
        most_open_files=65536,
        credentials=(),
        clock=1_800_000_000.0,
    )
    return replace(facts, **changes)


def report(facts: NodeFacts | None, number: int = 1, **changes: Any) -> NodeReport:
    """What a node answered."""
    node = NodeReport(node_id=f"{number:056x}", address=f"10.0.0.{number}", promised_gpus=0.0, facts=facts)
    return replace(node, **changes)


def shared_everywhere(location: str, machines: list[NodeFacts]) -> Survey:
    """The first machine is the driver's, the others are nodes, and all see one storage."""
    driver, *nodes = machines
    visit = StorageVisit(location, shared=True, space=SPACE)
    return Survey(
        driver,
        tuple(report(facts, number, storages=(visit,)) for number, facts in enumerate(nodes, 1)),
        storages=(DriverStorage(location, None, False, SPACE),),
    )
