"""How findings are shown: one JSON object, a table on a terminal, lines elsewhere."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from octupus.nodes.cluster import Survey
from octupus.nodes.disk import DiskSpace
from octupus.nodes.facts import NodeFacts
from octupus.nodes.findings import Finding, Severity
from octupus.nodes.working_directory import WorkingDirectory

_GIB = 2**30
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def print_json(
    facts: NodeFacts,
    findings: Sequence[Finding],
    directory: WorkingDirectory | None,
    survey: Survey | None,
    exit_code: int,
) -> None:
    """One object, on standard output."""
    values = {
        "exit_code": exit_code,
        "findings": [dataclasses.asdict(finding) for finding in findings],
        "machine": facts.plain(),
        "working_directory": None if directory is None else dataclasses.asdict(directory),
        "cluster": None if survey is None else survey.plain(),
    }
    print(json.dumps(values, indent=2, ensure_ascii=False))


def print_report(
    facts: NodeFacts, findings: Sequence[Finding], directory: WorkingDirectory | None, survey: Survey | None
) -> None:
    """Versions, machines, the working directory, and the findings, errors first."""
    for name, version in facts.versions.items():
        print(f"{name:20} {version}")
    for line in [_machine(facts)] if survey is None else _nodes(survey):
        print(line)
    if directory is not None:
        print(f"{'working directory':20} {_size(directory)}")
        for path, size in directory.largest:
            print(f"{'':20} {size / 2**20:9.1f} MiB  {path}")
    _print_findings(sorted(findings, key=lambda finding: finding.severity is not Severity.ERROR))
    to_mend = sum(finding.severity is Severity.ERROR for finding in findings)
    rest = len(findings) - to_mend
    print("all well" if not findings else f"{to_mend} to mend, {rest} to know of")


def _print_findings(findings: Sequence[Finding]) -> None:
    console = Console()
    if not console.is_terminal:
        for finding in findings:
            print(f"{finding.severity}: {finding}")
        return
    if findings:
        table = Table("", "where", "what", "remedy")
        for finding in findings:
            severity = Text(finding.severity, style=_COLOURS[finding.severity])
            table.add_row(severity, Text(finding.where), Text(finding.what), Text(finding.remedy))
        console.print(table)


def _nodes(survey: Survey) -> list[str]:
    lines = [f"{'driver':20} {survey.driver.name}", f"{'nodes':20} {len(survey.nodes)} alive, {len(survey.dead)} dead"]
    for node in survey.nodes:
        clock = "" if node.clock is None else f", clock {node.clock.offset_s:+.3f} s ± {node.clock.error_s:.3f} s"
        lines.append(f"{'':20} {node.name}: no answer" if node.facts is None else _machine(node.facts, "") + clock)
    lines += [f"{'storage':20} {place.location}{_free(place.space)}" for place in survey.storages]
    return lines


def _machine(facts: NodeFacts, title: str = "machine") -> str:
    gpus = f", {len(facts.gpus)} x {facts.gpus[0].name} (driver {facts.gpus[0].driver})" if facts.gpus else ", no GPU"
    return (
        f"{title:20} {facts.name}: {facts.cpus:g} CPUs, {facts.memory_available / _GIB:.1f} of "
        f"{facts.memory_total / _GIB:.1f} GiB of memory available{gpus}"
    )


def _size(directory: WorkingDirectory) -> str:
    least = "" if directory.complete else "at least "
    return (
        f"{least}{directory.size / 2**20:.1f} MiB in {directory.files} files would be uploaded, "
        f"of {directory.limit / 2**20:.0f} MiB that Ray takes"
    )


def _free(space: DiskSpace | None) -> str:
    return "" if space is None else f", {space.free / _GIB:.1f} GiB free"
