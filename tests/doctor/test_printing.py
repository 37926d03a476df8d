"""A survey is shown whole: to people, and as JSON."""

import json
from dataclasses import replace

import pytest

from octupus.doctor.printing import print_json, print_report
from octupus.nodes.clock import ClockOffset
from octupus.nodes.findings import error, warning
from octupus.nodes.working_directory import WorkingDirectory
from tests.nodes.machines import machine, report, shared_everywhere

_SURVEY = shared_everywhere("/runs", [machine("driver"), machine("first"), machine("second")])
_SURVEY = replace(
    _SURVEY,
    nodes=(
        replace(_SURVEY.nodes[0], clock=ClockOffset(0.25, 0.01)),
        _SURVEY.nodes[1],
        report(None, 7, failure="silent"),
    ),
)
_DIRECTORY = WorkingDirectory("/work", 2, 3 * 2**20, 512 * 2**20, (("runs/", 3 * 2**20),))
_FINDINGS = [warning("first", "is slow", "wait"), error("second", "is [broken]", "mend it")]


def test_people_read_machines_sizes_and_findings_with_errors_first(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(_SURVEY.driver, _FINDINGS, _DIRECTORY, _SURVEY)
    shown = capsys.readouterr().out
    assert "3 alive, 0 dead" in shown
    assert "first: 8 CPUs, 60.0 of 64.0 GiB of memory available, no GPU, clock +0.250 s" in shown
    assert "10.0.0.7 (node 00000000): no answer" in shown
    assert "/runs, 500.0 GiB free" in shown
    assert "3.0 MiB in 2 files would be uploaded, of 512 MiB that Ray takes" in shown
    assert shown.index("error: second: is [broken]; mend it") < shown.index("warning: first: is slow; wait")
    assert shown.endswith("1 to mend, 1 to know of\n")


def test_scripts_read_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(_SURVEY.driver, _FINDINGS, None, _SURVEY, 1)
    read = json.loads(capsys.readouterr().out)
    assert [finding["severity"] for finding in read["findings"]] == ["warning", "error"]
    assert [node["failure"] for node in read["cluster"]["nodes"]] == [None, None, "silent"]
    assert read["working_directory"] is None


def test_a_terminal_shows_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    print_report(_SURVEY.driver, _FINDINGS, None, None)
    shown = capsys.readouterr().out
    assert "is [broken]" in shown
    assert "remedy" in shown
