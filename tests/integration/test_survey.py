"""A survey of real Ray nodes: one head and two workers on this machine, each with processes of its own."""

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from octupus.doctor import doctor
from octupus.nodes.cluster import Survey
from octupus.nodes.cluster_judging import clock_findings, version_findings
from octupus.nodes.requirements import (
    NodesError,
    require_equal_nodes,
    require_gpu_drivers,
    require_ready,
    require_shared,
)
from octupus.nodes.survey import survey

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Nodes:
    """The cluster and its two workers, of which the second claims a GPU."""

    cluster: Cluster
    plain: Any
    with_gpu: Any


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """A cluster of this module's own, which this process is connected to."""
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}, shutdown_at_exit=False
    )
    # Ray puts the driver's current directory before all else that workers import from.
    with contextlib.chdir(tmp_path_factory.mktemp("elsewhere")):
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    plain = cluster.add_node(num_cpus=1)
    with_gpu = cluster.add_node(num_cpus=1, num_gpus=1)
    yield Nodes(cluster, plain, with_gpu)
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def surveyed(nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """All nodes, with a storage that they share and an input that is not there."""
    storage = tmp_path_factory.mktemp("storage") / "runs"
    found = survey([str(storage)], [str(ROOT / "jobs"), "/no/such/input"], timeout_s=120)
    assert not storage.exists()  # tokens are removed, and so is the directory that was made for them
    return found


def test_every_node_tells_the_same_facts(surveyed: Survey) -> None:
    assert len(surveyed.nodes) == 3
    assert [node.failure for node in surveyed.nodes] == [None] * 3
    assert {node.facts.node_id for node in surveyed.nodes if node.facts} == {node.node_id for node in surveyed.nodes}
    assert version_findings(surveyed.facts, tested={}) == []
    require_equal_nodes(surveyed)


def test_storage_is_shared_both_ways_and_inputs_are_looked_for(surveyed: Survey) -> None:
    (mine,) = surveyed.storages
    assert [visit.shared for node in surveyed.nodes for visit in node.storages] == [True] * 3
    assert [node.missing_inputs for node in surveyed.nodes] == [("/no/such/input",)] * 3
    require_shared(surveyed, mine.location)


def test_clocks_of_one_machine_agree_within_what_the_exchange_leaves_open(surveyed: Survey) -> None:
    for node in surveyed.nodes:
        assert node.clock is not None
        assert node.clock.least_s < 0.01
    assert clock_findings(surveyed.nodes) == []


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="this machine has a GPU to promise")
def test_a_node_that_promises_a_gpu_it_has_no_driver_for_is_refused(surveyed: Survey) -> None:
    with pytest.raises(NodesError, match="Ray counts 1 GPUs there") as refused:
        require_gpu_drivers(surveyed)
    promising = next(node for node in surveyed.nodes if node.promised_gpus)
    assert promising.name in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_nodes_that_do_not_answer_in_time_are_reported_not_waited_for(nodes: Nodes) -> None:
    found = survey(timeout_s=0)
    assert [node.failure for node in found.nodes] == ["no answer within 0 s"] * 3
    with pytest.raises(NodesError, match="could not be looked at"):
        require_ready(found)


def test_another_copy_of_octupus_on_a_node_is_found(nodes: Nodes, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "octupus", tmp_path / "octupus", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "octupus" / "errors.py").open("a") as stream:
        stream.write("\n# another copy\n")
    before = {node["NodeID"] for node in ray.nodes()}
    other = nodes.cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(tmp_path)})
    try:
        found = survey(timeout_s=120)
    finally:
        nodes.cluster.remove_node(other)
    with pytest.raises(NodesError, match="another copy of octupus") as refused:
        require_equal_nodes(found)
    assert len(str(refused.value).splitlines()) == 1
    (added,) = (node for node in found.nodes if node.node_id not in before)
    assert str(refused.value).startswith(f"{added.name}: ")


def test_the_command_surveys_the_cluster_and_a_dead_node_is_told(
    nodes: Nodes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = os.environ.pop("RAY_ADDRESS", None)
    nodes.cluster.remove_node(nodes.with_gpu, allow_graceful=False)
    try:
        doctor(18471, storages=[str(tmp_path)], cluster=True)
    finally:
        if address is not None:
            os.environ["RAY_ADDRESS"] = address
    shown = capsys.readouterr().out
    assert "2 alive" in shown
    assert "is dead" in shown
    assert "not the storage" not in shown
