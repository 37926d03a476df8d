"""`octupus render`: KubeRay's and SkyPilot's files, written from the configurations of jobs and of serving."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from octupus.clusters.config import RUNTIME_ENV_FILE, ClusterConfig
from octupus.clusters.demand import Job, read_demand
from octupus.clusters.dump import as_yaml
from octupus.clusters.launch_files import check_launch_file
from octupus.clusters.render_kuberay import ray_job, ray_service
from octupus.clusters.render_sky import sky_job, sky_service
from octupus.config import load, read_yaml
from octupus.errors import ConfigError, OutputError

CLUSTER_FILE = Path("clusters/cluster.yaml")
JOB_FLAG = "--job."

Target = Literal["kuberay", "sky"]


@dataclass(frozen=True)
class RenderOptions:
    """What the command line says."""

    target: Target
    file: Path
    """Configuration of a job, or a serve file."""
    cluster: Path = CLUSTER_FILE
    output: Path | None = None
    """Null is standard output."""
    flags: tuple[str, ...] = ()
    """Dotted flags of ClusterConfig, and with the prefix `--job.` of the job."""


def render_command(parsed: argparse.Namespace) -> int:
    """What `octupus render` runs; raises ConfigError for what the cluster does not have, and OutputError."""
    options = RenderOptions(parsed.target, parsed.file, parsed.cluster, parsed.output, tuple(parsed.rest))
    text = render(options)
    if options.output is None:
        sys.stdout.write(text)
        return 0
    try:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {options.output}: {error.strerror}") from error
    print(f"wrote {options.output}", file=sys.stderr)
    return 0


def render(options: RenderOptions) -> str:
    """The file, beginning with the command that writes it. The same input is always the same text."""
    cluster_flags, job_flags = split_flags(options.flags)
    cluster = load(ClusterConfig, arguments=[str(options.cluster), *cluster_flags])
    demand = read_demand(options.file, job_flags, cluster)
    runtime_env = read_yaml(Path(RUNTIME_ENV_FILE))
    values: dict[str, Any]
    if isinstance(demand, Job):
        values = sky_job(cluster, demand) if options.target == "sky" else ray_job(cluster, demand, runtime_env)
    else:
        values = sky_service(cluster, demand) if options.target == "sky" else ray_service(cluster, demand)
    check_launch_file(values, str(options.output or f"what {options.file} renders to"))
    return f"{_header(options, values, isinstance(demand, Job))}{as_yaml(values)}"


def split_flags(flags: Sequence[str]) -> tuple[list[str], list[str]]:
    """Flags of the cluster, and of the job without their prefix. Raises ConfigError for a word that is no flag."""
    cluster: list[str] = []
    job: list[str] = []
    target: list[str] | None = None
    for word in flags:
        if word.startswith("--"):
            target = job if word.startswith(JOB_FLAG) else cluster
            word = f"--{word.removeprefix(JOB_FLAG)}" if target is job else word
        elif target is None:
            raise ConfigError(f"{word!r} is no flag; one file is rendered at a time")
        target.append(word)
    return cluster, job


def _header(options: RenderOptions, values: dict[str, Any], is_job: bool) -> str:
    command = ["octupus", "render", options.target, options.file.as_posix()]
    if options.cluster != CLUSTER_FILE:
        command += ["--cluster", options.cluster.as_posix()]
    if options.output is not None:
        command += ["--output", options.output.as_posix()]
    output = options.output.as_posix() if options.output else "FILE"
    lines = [
        f"Written by: {shlex.join([*command, *options.flags])}",
        f"Do not edit: change {options.file.as_posix()} or {options.cluster.as_posix()}, and write it again.",
    ]
    if options.target == "kuberay":
        lines.append(f"Run: kubectl apply --filename {output} (KubeRay 1.6 or newer). The image holds the checkout")
        lines.append("as it was when the image was built: build it again after a change of the job or of the code.")
    else:
        starting = "sky jobs launch" if is_job else "sky serve up" if "service" in values else "sky launch"
        secrets = " ".join(f"--secret {name}" for name in values["secrets"])
        lines.append(f'Run: export RAY_AUTH_TOKEN="$(openssl rand -hex 32)"; {starting} {secrets} {output}')
        lines.append("The secrets' values are taken from your environment.")
    return "".join(f"# {line}\n" for line in lines)
