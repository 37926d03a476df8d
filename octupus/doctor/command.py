"""The command: gathers, judges, prints; 0 when nothing must be mended."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from octupus.doctor.connection import ConnectionFailedError, connected
from octupus.doctor.job_files import Wants, credential_findings, read_wants
from octupus.doctor.ports import RAY_PORTS, endpoint_port, port_findings
from octupus.doctor.printing import print_json, print_report
from octupus.errors import ConfigError, OutputError
from octupus.nodes import storage
from octupus.nodes.cluster import Survey
from octupus.nodes.cluster_judging import cluster_findings, version_findings
from octupus.nodes.facts import NodeFacts, gather
from octupus.nodes.findings import Finding, Severity, error, errors, of_failure, warning
from octupus.nodes.machine_judging import full_disk, machine_findings
from octupus.nodes.survey import survey
from octupus.nodes.working_directory import WorkingDirectory, measure


@dataclass(frozen=True)
class Report:
    """Everything that was found."""

    facts: NodeFacts
    findings: tuple[Finding, ...]
    working_directory: WorkingDirectory | None
    survey: Survey | None

    @property
    def exit_code(self) -> int:
        """0 when nothing must be mended; warnings may stay."""
        return 1 if errors(self.findings) else 0


def doctor(
    port: int | None = None,
    *,
    files: Sequence[Path] = (),
    storages: Sequence[str] = (),
    cluster: bool = False,
    as_json: bool = False,
) -> int:
    """Print what is found, and what must or may be mended; 0 when nothing must.

    This machine is always looked at; with `cluster`, or where RAY_ADDRESS is set, every node of the connected cluster
    too. `files` are configurations of jobs or deployments, whose storages, inputs, credentials and port are looked for;
    `storages` are further paths or URLs. Raises ConfigError for a file that is missing or no YAML.
    """
    report = examine(port, read_wants(files), storages, cluster or bool(os.environ.get("RAY_ADDRESS")))
    if as_json:
        print_json(report.facts, report.findings, report.working_directory, report.survey, report.exit_code)
    else:
        print_report(report.facts, report.findings, report.working_directory, report.survey)
    return report.exit_code


def examine(port: int | None, wants: Wants, storages: Sequence[str], cluster: bool) -> Report:
    """Look at everything."""
    locations = tuple(dict.fromkeys([*wants.storages, *storages]))
    found: list[Finding] = []
    surveyed: Survey | None = None
    if cluster:
        try:
            with connected():
                surveyed = survey(locations, wants.inputs)
        except ConnectionFailedError as failure:
            found.append(of_failure(Severity.ERROR, "the cluster", str(failure)))
    facts = surveyed.driver if surveyed else gather()
    if surveyed:
        found += cluster_findings(surveyed)
    else:
        found += [*version_findings([facts]), *machine_findings(facts), *_local_storages(locations, facts.name)]
        found += _local_inputs(wants.inputs)
    found += port_findings([endpoint_port(port or wants.port or 8000), *RAY_PORTS])
    directory = _working_directory(found, needed=cluster)
    present = [name for machine in (surveyed.facts if surveyed else [facts]) for name in machine.credentials]
    found += credential_findings(wants.credentials, present)
    return Report(facts, tuple(found), directory, surveyed)


def _local_storages(locations: Sequence[str], where: str) -> list[Finding]:
    """Storages as this machine alone sees them: whether what is written there can be read again, and has room."""
    found: list[Finding] = []
    for location in map(storage.absolute, locations):
        try:
            token = storage.write_token(location)
            readable = storage.read_token(location, token)
            storage.remove_token(location, token)
        except OutputError as failure:
            remedy = "choose a storage that this machine may write to"
            found.append(of_failure(Severity.ERROR, where, str(failure), remedy))
            continue
        if not readable:
            what = f"what is written to {storage.shown(location)} cannot be read again"
            found.append(error(where, what, "choose another storage"))
        space = storage.free_space(location)
        found += [] if space is None else full_disk(where, storage.shown(location), space)
    return found


def _local_inputs(paths: Sequence[str]) -> list[Finding]:
    return [
        warning("this machine", f"does not see {path}", "make it, or look at the nodes that will read it: --cluster")
        for path in paths
        if not Path(path).exists()
    ]


def _working_directory(found: list[Finding], needed: bool) -> WorkingDirectory | None:
    """Measure the working directory; findings go to `found`. It must fit where jobs will be submitted from it."""
    severity = Severity.ERROR if needed else Severity.WARNING
    try:
        directory = measure(Path.cwd())
    except ConfigError as failure:
        found.append(of_failure(severity, "working directory", str(failure)))
        return None
    if directory.too_large:
        size = f"{'' if directory.complete else 'at least '}{directory.size / 2**20:.0f} MiB in {directory.files} files"
        most = ", ".join(f"{path} {size / 2**20:.0f} MiB" for path, size in directory.largest[:3])
        found.append(
            Finding(
                severity,
                "working directory",
                f"`ray job submit --working-dir .` would upload {size}, and Ray takes less than "
                f"{directory.limit / 2**20:.0f} MiB",
                f"name what no job needs in .rayignore, such as {most}",
            )
        )
    return directory
