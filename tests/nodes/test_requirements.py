"""Jobs refuse a cluster whose nodes would fail them, and say which."""

from dataclasses import replace

import pytest

from octupus.nodes.cluster import StorageVisit, Survey
from octupus.nodes.disk import DiskSpace
from octupus.nodes.requirements import (
    NodesError,
    require_equal_nodes,
    require_gpu_drivers,
    require_ready,
    require_room,
    require_shared,
)
from tests.nodes.machines import GIB, machine, shared_everywhere


def test_a_good_cluster_is_taken_even_when_its_versions_are_not_the_tested_ones() -> None:
    odd = machine("a").versions | {"ray": "9.9.9"}
    require_ready(shared_everywhere("/runs", [machine(name, versions=odd) for name in "abc"]))


def test_each_requirement_refuses_its_own_trouble_and_names_the_node() -> None:
    good = shared_everywhere("/runs", [machine(name) for name in ("a", "b", "c")])
    other_version = machine("b", versions=machine("b").versions | {"ray": "9.9.9"})
    full = machine("b", disks={"home": DiskSpace("/root", 100 * GIB, 0)})
    troubles = {
        require_equal_nodes: replace(good.nodes[0], facts=other_version),
        require_room: replace(good.nodes[0], facts=full),
        require_gpu_drivers: replace(good.nodes[0], promised_gpus=2.0),
        _require_runs_shared: replace(good.nodes[0], storages=(StorageVisit("/runs", shared=False),)),
    }
    for require, node in troubles.items():
        survey = replace(good, nodes=(node, good.nodes[1]))
        for other in troubles:
            if other is require:
                with pytest.raises(NodesError, match=r"^b: .+; .+"):
                    other(survey)
            else:
                other(survey)
        with pytest.raises(NodesError, match=r"^b: .+; .+"):
            require_ready(survey)


def _require_runs_shared(survey: Survey) -> None:
    require_shared(survey, "/runs")
