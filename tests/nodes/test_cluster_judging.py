"""A cluster is judged by what deviates in it, and every finding says what to do."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from octupus.nodes.clock import ClockOffset
from octupus.nodes.cluster import DeadNode, StorageVisit, Survey
from octupus.nodes.cluster_judging import CLOCK_ERROR_S, clock_findings, cluster_findings, version_findings
from octupus.nodes.facts import NodeFacts
from octupus.nodes.findings import Severity, errors
from octupus.versions import TESTED
from tests.nodes.machines import machine, report, shared_everywhere


def _machines(number: int) -> list[NodeFacts]:
    return [machine(f"host{index}") for index in range(number)]


@given(st.integers(1, 8))
def test_equal_machines_give_no_finding(number: int) -> None:
    assert cluster_findings(shared_everywhere("/shared", _machines(number))) == []


@given(st.data(), st.integers(2, 8), st.sampled_from(["python", "octupus", *TESTED]), st.sampled_from(["0.0.1", None]))
def test_one_changed_version_gives_one_finding_that_names_the_machine(
    data: st.DataObject, number: int, package: str, version: str | None
) -> None:
    machines = _machines(number)
    # With two machines it cannot be known which one is right, and the driver's counts.
    changed = data.draw(st.integers(1 if number == 2 else 0, number - 1))
    versions = {name: found for name, found in machines[changed].versions.items() if name != package}
    if version is not None:
        versions[package] = version
    source = "b" * 64 if package == "octupus" else machines[changed].source_sha256
    machines[changed] = replace(machines[changed], versions=versions, source_sha256=source)
    (finding,) = cluster_findings(shared_everywhere("/shared", machines))
    assert finding.severity is Severity.ERROR
    assert finding.where == f"host{changed}"
    assert finding.what.startswith(f"{package} {version or 'is missing'}")


@given(st.integers(3, 6), st.data())
def test_another_copy_of_the_same_version_is_found(number: int, data: st.DataObject) -> None:
    machines = _machines(number)
    changed = data.draw(st.integers(0, number - 1))
    machines[changed] = replace(machines[changed], source_sha256="b" * 64)
    (finding,) = version_findings(machines)
    assert finding.where == f"host{changed}"
    assert "another copy of octupus" in finding.what


def test_build_tags_do_not_count_and_untested_versions_are_told_once() -> None:
    tagged = machine("cpu", versions=machine("cpu").versions | {"torch": f"{TESTED['torch']}+cpu"})
    assert version_findings([tagged, machine("gpu")]) == []
    old = [machine(name, versions=machine(name).versions | {"ray": "2.0.0"}) for name in ("a", "b", "c")]
    (finding,) = version_findings(old)
    assert finding.where == "every machine"
    assert "tested with" in finding.what


def test_storage_that_one_node_does_not_share_is_told_of_that_node() -> None:
    survey = shared_everywhere("/runs", _machines(4))
    alone = replace(survey.nodes[1], storages=(StorageVisit("/runs", shared=False),))
    full = replace(
        survey.nodes[2], storages=(StorageVisit("/runs", None, "cannot write to /runs: No space left; free it", True),)
    )
    findings = cluster_findings(replace(survey, nodes=(survey.nodes[0], alone, full)))
    assert [(finding.where, finding.remedy[:5]) for finding in findings] == [("host2", "mount"), ("host3", "free ")]


@given(st.floats(-5000, 5000), st.floats(0, 5000))
def test_a_clock_is_only_blamed_for_what_the_exchange_proves(offset: float, error: float) -> None:
    clock = ClockOffset(offset, error)
    found = clock_findings([report(machine("a"), clock=clock)])
    assert bool(found) == (abs(offset) - error > 1.0)
    assert bool(errors(found)) == (abs(offset) - error > CLOCK_ERROR_S)


def test_nodes_that_do_not_answer_see_too_little_or_died_are_named() -> None:
    survey = Survey(
        machine("driver"),
        (
            report(None, 1, failure="no answer within 60 s"),
            report(machine("host2"), 2, missing_inputs=("/data/packs",)),
            report(machine("host3"), 3, promised_gpus=8.0),
        ),
        (DeadNode("d" * 56, "10.0.0.9", "its machine is gone", False), DeadNode("e" * 56, "10.0.0.8", "idle", True)),
    )
    findings = cluster_findings(survey)
    assert [finding.where for finding in findings] == [
        "10.0.0.1 (node 00000000)",
        "host2",
        "host3",
        "10.0.0.9 (node dddddddd)",
    ]
    assert "/data/packs" in findings[1].what
    assert "8 GPUs" in findings[2].what
    assert all(finding.remedy for finding in findings)


def test_a_driver_on_a_node_is_judged_once() -> None:
    tight = machine("host", memory_available=1)
    survey = Survey(tight, (report(replace(tight, node_id="c" * 56)),))
    assert [finding.where for finding in cluster_findings(survey)] == ["host (node cccccccc)"]
