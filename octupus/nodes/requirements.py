"""What a job requires of the nodes before it starts: each function raises one error that names them all."""

from __future__ import annotations

from collections.abc import Iterable

from octupus.errors import OctupusError
from octupus.nodes import storage
from octupus.nodes.cluster import Survey
from octupus.nodes.cluster_judging import input_findings, storage_findings, unanswered, version_findings
from octupus.nodes.findings import Finding, errors
from octupus.nodes.machine_judging import full_disks, gpu_findings


class NodesError(OctupusError):
    """Nodes of the cluster are not fit for a job; one line for each, with its remedy."""


def require_ready(survey: Survey) -> None:
    """All of the below, for every storage and input that was surveyed. Raises NodesError."""
    _refuse(
        [
            *unanswered(survey),
            *version_findings(survey.facts, tested={}),
            *storage_findings(survey),
            *input_findings(survey),
            *_room(survey),
            *_drivers(survey),
        ]
    )


def require_equal_nodes(survey: Survey) -> None:
    """Raises NodesError unless every node answered, with the driver's versions and copy of octupus.

    Whether they are the tested versions is not asked: `versions.warn_of_mismatches` tells that.
    """
    _refuse([*unanswered(survey), *version_findings(survey.facts, tested={})])


def require_shared(survey: Survey, location: str) -> None:
    """Raises NodesError unless driver and nodes read each other's files at a location that was surveyed."""
    _refuse([*unanswered(survey), *storage_findings(survey, storage.shown(storage.absolute(location)))])


def require_room(survey: Survey) -> None:
    """Raises NodesError where the disk of a node's working directory, TMPDIR, home or Ray's directory is full."""
    _refuse(_room(survey))


def require_gpu_drivers(survey: Survey) -> None:
    """Raises NodesError where Ray counts GPUs that no driver answers for, or a driver is too old for torch."""
    _refuse(_drivers(survey))


def _room(survey: Survey) -> list[Finding]:
    return [finding for facts in survey.facts for finding in full_disks(facts)]


def _drivers(survey: Survey) -> list[Finding]:
    return [finding for node in survey.nodes if node.facts for finding in gpu_findings(node.facts, node.promised_gpus)]


def _refuse(findings: Iterable[Finding]) -> None:
    lines = [str(finding) for finding in errors(findings)]
    if lines:
        raise NodesError("\n".join(lines))
