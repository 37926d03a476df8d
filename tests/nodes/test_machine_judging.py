"""Whatever a machine is like, what is found says where, what and what to do."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.nodes.disk import DiskSpace
from octupus.nodes.facts import RAY_DIRECTORY, WORKING_DIRECTORY
from octupus.nodes.findings import Severity
from octupus.nodes.gpus import Gpu
from octupus.nodes.machine_judging import machine_findings
from tests.nodes.machines import GIB, machine

_H100 = Gpu("NVIDIA H100 80GB HBM3", 80 * GIB, "580.82.07")
_SPACES = st.builds(
    lambda total, share: DiskSpace("/p", total, int(total * share)), st.integers(0, 2**44), st.floats(0, 1)
)
_CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "memory_available": st.integers(0, 64 * GIB),
        "disks": st.dictionaries(st.sampled_from([WORKING_DIRECTORY, RAY_DIRECTORY, "home"]), _SPACES),
        "shared_memory": st.none() | _SPACES,
        "gpus": st.lists(st.builds(Gpu, st.text(), st.integers(0, 2**40), st.sampled_from(["470.1", "", "600.0"]))),
        "torch_cuda": st.sampled_from([None, "11.8", "12.4", "13.0", "99.0"]),
        "nvcc": st.sampled_from([None, "13.0"]),
        "missing_compilers": st.sampled_from([(), ("g++ is missing: install it",)]),
        "most_open_files": st.none() | st.integers(0, 2**20),
    },
)


@given(_CHANGES, st.integers(0, 8))
def test_every_finding_has_place_and_remedy(changes: dict[str, Any], promised: int) -> None:
    for finding in machine_findings(machine("host", **changes), promised):
        assert finding.where == "host"
        assert finding.what.strip()
        assert finding.remedy.strip()


@pytest.mark.parametrize(
    ("changes", "promised", "severity", "what"),
    [
        ({"gpus": (_H100,) * 8, "torch_cuda": "13.0", "nvcc": "13.0"}, 8, None, ""),
        ({}, 1, Severity.ERROR, "driver answers for 0"),
        ({"gpus": (_H100,), "nvcc": "13.0"}, 1, Severity.ERROR, "CPU build"),
        (
            {"gpus": (replace(_H100, driver="550.54"),), "torch_cuda": "13.0", "nvcc": "13.0"},
            1,
            Severity.ERROR,
            "too old",
        ),
        ({"gpus": (_H100,), "torch_cuda": "13.0"}, 1, Severity.WARNING, "nvcc"),
        ({"missing_compilers": ("g++ is missing: install it",)}, 0, Severity.WARNING, "g++ is missing"),
        ({"disks": {"home": DiskSpace("/root", 100 * GIB, 0)}}, 0, Severity.ERROR, "is full"),
        ({"disks": {WORKING_DIRECTORY: DiskSpace("/w", 100 * GIB, 9 * GIB)}}, 0, Severity.ERROR, "9.0 GiB"),
        ({"disks": {RAY_DIRECTORY: DiskSpace("/tmp/ray", 1000 * GIB, 49 * GIB)}}, 0, Severity.WARNING, "spills"),
        ({"shared_memory": DiskSpace("/dev/shm", 2**26, 2**26)}, 0, Severity.WARNING, "/dev/shm"),
        ({"memory_available": GIB}, 0, Severity.WARNING, "memory"),
        ({"most_open_files": 1024}, 0, Severity.WARNING, "1024 files"),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, Any], promised: int, severity: Severity | None, what: str) -> None:
    found = machine_findings(machine("host", **changes), promised)
    assert [finding.severity for finding in found] == ([] if severity is None else [severity])
    assert all(what in finding.what for finding in found)


def test_one_full_disk_under_several_places_is_told_once() -> None:
    full = DiskSpace("/", 100 * GIB, 0)
    assert len(machine_findings(machine("host", disks={WORKING_DIRECTORY: full, RAY_DIRECTORY: full}))) == 1
