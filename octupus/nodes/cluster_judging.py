"""What is wrong with a cluster, judged from a survey of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from octupus.nodes.cluster import NodeReport, Survey
from octupus.nodes.facts import NodeFacts
from octupus.nodes.findings import Finding, Severity, error, of_failure, warning
from octupus.nodes.machine_judging import full_disk, machine_findings
from octupus.versions import TESTED

CLOCK_WARNING_S = 1.0
CLOCK_ERROR_S = 900.0
"""S3 refuses requests whose time differs by more than 15 minutes, with RequestTimeTooSkewed."""
_SAME_SET = (
    "install the same set everywhere: `make setup` with this checkout, or one image for all nodes (Ray lets no node or "
    "driver of another ray or python in)"
)


def cluster_findings(survey: Survey) -> list[Finding]:
    """What is wrong with a cluster. The driver's machine is judged as a node where it is one."""
    hosts = {node.facts.hostname for node in survey.nodes if node.facts}
    driver = [] if survey.driver.hostname in hosts else machine_findings(survey.driver)
    return [
        *unanswered(survey),
        *version_findings(survey.facts),
        *storage_findings(survey),
        *input_findings(survey),
        *clock_findings(survey.nodes),
        *driver,
        *(
            finding
            for node in survey.nodes
            if node.facts
            for finding in machine_findings(node.facts, node.promised_gpus)
        ),
        *_dead_findings(survey),
    ]


def version_findings(machines: Sequence[NodeFacts], tested: Mapping[str, str] = TESTED) -> list[Finding]:
    """Packages that are not the same everywhere, one finding for each machine that deviates from most; packages that
    are the same everywhere, but not the tested ones; and machines whose octupus is another copy.

    Build tags such as +cpu do not count. Of a tie the driver's side, which stands first, is the usual one.
    """
    found: list[Finding] = []
    names = sorted({name for machine in machines for name in machine.versions} | tested.keys())
    for name in names:
        versions = [machine.versions.get(name, "").partition("+")[0] for machine in machines]
        usual = _most_common(versions)
        found += [
            error(machine.name, f"{name} {version or 'is missing'}; most machines have {usual or 'none'}", _SAME_SET)
            for machine, version in zip(machines, versions, strict=True)
            if version != usual
        ]
        if len(set(versions)) == 1 and name in tested and usual != tested[name]:
            where = machines[0].name if len(machines) == 1 else "every machine"
            found.append(
                error(where, f"{name} {usual or 'is missing'}, tested with {tested[name]}", "run `make setup`")
            )
    return [*found, *_source_findings(machines)]


def _source_findings(machines: Sequence[NodeFacts]) -> list[Finding]:
    """Copies of octupus that differ though their version does not: that is told already."""
    usual = _most_common([machine.source_sha256 for machine in machines])
    version = _most_common([machine.versions.get("octupus", "") for machine in machines])
    return [
        error(
            machine.name,
            f"another copy of octupus (sha256 {machine.source_sha256[:12]}; most machines have {usual[:12]})",
            "submit with --working-dir, which gives all nodes the same copy, or install this checkout there again",
        )
        for machine in machines
        if machine.source_sha256 != usual and machine.versions.get("octupus", "") == version
    ]


def storage_findings(survey: Survey, location: str | None = None) -> list[Finding]:
    """Storages, or the one named, that are not one for all machines, cannot be written, or are full."""
    found: list[Finding] = []
    for mine in survey.storages:
        if location not in (None, mine.location):
            continue
        if mine.failure is not None:
            found.append(_storage_failure(survey.driver.name, mine.failure))
        elif mine.space is not None:
            found += full_disk(survey.driver.name, mine.location, mine.space)
    for node in survey.nodes:
        for visit in node.storages:
            if location not in (None, visit.location):
                continue
            if visit.failure is not None:
                found.append(_storage_failure(node.name, visit.failure))
            elif not visit.shared:
                found.append(
                    error(
                        node.name,
                        f"{visit.location} is not the storage that the driver sees",
                        "mount the same network file system at that path on every node, or use an s3:// or gs:// URL",
                    )
                )
    return found


def _storage_failure(where: str, failure: str) -> Finding:
    """The failure as storage.py raises it: what, and its remedy."""
    return of_failure(Severity.ERROR, where, failure, "choose a storage that every machine may write to")


def input_findings(survey: Survey) -> list[Finding]:
    """Paths that a job reads and a node does not see."""
    return [
        error(node.name, f"does not see {path}", "copy it there, or put it on storage that every node mounts")
        for node in survey.nodes
        for path in node.missing_inputs
    ]


def clock_findings(nodes: Iterable[NodeReport]) -> list[Finding]:
    """Clocks that are certainly apart from the driver's: by more than the exchange leaves open."""
    found = []
    for node in nodes:
        if node.clock is None or node.clock.least_s <= CLOCK_WARNING_S:
            continue
        direction = "ahead of" if node.clock.offset_s > 0 else "behind"
        what = f"clock {abs(node.clock.offset_s):.1f} s {direction} the driver's (within {node.clock.error_s:.1f} s)"
        judge = error if node.clock.least_s > CLOCK_ERROR_S else warning
        found.append(judge(node.name, what, "run chrony or systemd-timesyncd there: timedatectl set-ntp true"))
    return found


def unanswered(survey: Survey) -> list[Finding]:
    """Nodes that are alive to Ray and could not be looked at."""
    return [
        error(
            node.name,
            f"could not be looked at: {node.failure}",
            "install octupus there, or submit with --working-dir; if it hangs, look at its disks and mounts, "
            "or take it out of the cluster",
        )
        for node in survey.nodes
        if node.facts is None
    ]


def _dead_findings(survey: Survey) -> Iterator[Finding]:
    for node in survey.dead:
        if not node.expected:
            yield warning(
                f"{node.address} (node {node.node_id[:8]})",
                f"is dead: {node.reason}",
                "start it again with `ray start --address ...`, unless the autoscaler replaces it",
            )


def _most_common(values: Sequence[str]) -> str:
    """The commonest value; of equally common ones the first, which is the driver's."""
    return Counter(values).most_common(1)[0][0]
