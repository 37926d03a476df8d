"""What one machine is: versions, CPUs, memory, disks, GPUs, compilers, limits, clock. Quick, and loads no torch."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octupus import installation, versions
from octupus.errors import OctupusError
from octupus.nodes import capacity, gpus
from octupus.nodes.disk import DiskSpace, disk_space
from octupus.nodes.gpus import Gpu

WORKING_DIRECTORY = "working directory"
RAY_DIRECTORY = "Ray's directory"
CREDENTIALS = (
    *("HF_TOKEN", "HF_TOKEN_PATH", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"),
    *("WANDB_API_KEY", "WANDB_MODE", "MLFLOW_TRACKING_URI", "OPENAI_API_KEY"),
    *("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ROLE_ARN", "GOOGLE_APPLICATION_CREDENTIALS"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "NCCL_SOCKET_IFNAME", "CUDA_VISIBLE_DEVICES", "RAY_ADDRESS"),
)
"""Environment variables whose presence explains what works here. Only names are told, never values."""
HUB_LOGIN = "~/.cache/huggingface/token"
WANDB_LOGIN = "~/.netrc (api.wandb.ai)"


class FactsError(OctupusError):
    """Facts came from a machine whose octupus tells others."""


@dataclass(frozen=True)
class NodeFacts:
    """One machine, as a process on it sees it. Sizes in bytes."""

    hostname: str
    node_id: str
    """Ray's name of the node; empty for a process that is on none."""
    versions: dict[str, str]
    source_sha256: str
    """Digest of the installed octupus: equal where the code is equal."""
    cpus: float
    memory_total: int
    memory_available: int
    disks: dict[str, DiskSpace]
    """By what is kept there."""
    shared_memory: DiskSpace | None
    gpus: tuple[Gpu, ...]
    driver_cuda: str | None
    torch_cuda: str | None
    nvcc: str | None
    missing_compilers: tuple[str, ...]
    """One line for each, as `installation.missing_compilers` writes it."""
    most_open_files: int | None
    """None is without limit."""
    credentials: tuple[str, ...]
    """Names of what is set or logged in."""
    clock: float
    """Seconds since the epoch when the facts were gathered."""

    @property
    def name(self) -> str:
        """What to call the machine."""
        return f"{self.hostname} (node {self.node_id[:8]})" if self.node_id else self.hostname

    def plain(self) -> dict[str, Any]:
        """As JSON holds it. Nodes answer in this form, so that one with another octupus can be read too."""
        return dataclasses.asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> NodeFacts:
        """The inverse of `plain`. Raises FactsError when the fields are not those of this octupus."""
        own = {field.name for field in dataclasses.fields(cls)}
        if values.keys() != own:
            raise FactsError(f"its octupus tells other facts: {', '.join(sorted(values.keys() ^ own))}")
        shared = values["shared_memory"]
        changed = {
            "disks": {place: DiskSpace(**space) for place, space in values["disks"].items()},
            "shared_memory": None if shared is None else DiskSpace(**shared),
            "gpus": tuple(Gpu(**gpu) for gpu in values["gpus"]),
            "missing_compilers": tuple(values["missing_compilers"]),
            "credentials": tuple(values["credentials"]),
        }
        return cls(**{**values, **changed})


def gather(node_id: str = "", ray_directory: Path | None = None) -> NodeFacts:
    """Look at this machine. `ray_directory` is Ray's directory for temporary files, where it is known."""
    memory = capacity.memory()
    return NodeFacts(
        hostname=socket.gethostname(),
        node_id=node_id,
        versions=versions.installed(),
        source_sha256=source_sha256(),
        cpus=capacity.cpus(),
        memory_total=memory.total,
        memory_available=memory.available,
        disks=_disks(ray_directory or Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()) / "ray"),
        shared_memory=disk_space(Path("/dev/shm")),
        gpus=gpus.gpus(),
        driver_cuda=gpus.driver_cuda(),
        torch_cuda=gpus.torch_cuda(),
        nvcc=gpus.nvcc(),
        missing_compilers=tuple(installation.missing_compilers(Path(sys.prefix))),
        most_open_files=capacity.most_open_files(),
        credentials=credentials(os.environ, Path.home()),
        clock=time.time(),
    )


def source_sha256(package: Path = Path(__file__).parents[1]) -> str:
    """Digest of a package's files by name and content; compiled and hidden files do not count."""
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*")):
        name = file.relative_to(package)
        if file.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in name.parts):
            content = file.read_bytes()
            digest.update(f"{name.as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def credentials(environment: Mapping[str, str], home: Path) -> tuple[str, ...]:
    """Names of the variables that are set, in either case for proxies, and of logins that a file of `home` holds."""
    named = [name for name in CREDENTIALS if environment.get(name) or environment.get(name.lower())]
    cache = Path(environment.get("HF_HOME") or home / ".cache" / "huggingface")
    if (cache / "token").is_file():
        named.append(HUB_LOGIN)
    try:
        netrc = (home / ".netrc").read_text(errors="replace")
    except OSError:
        netrc = ""
    if "api.wandb.ai" in netrc:
        named.append(WANDB_LOGIN)
    return tuple(named)


def _disks(ray_directory: Path) -> dict[str, DiskSpace]:
    places = {
        WORKING_DIRECTORY: Path.cwd(),
        RAY_DIRECTORY: ray_directory,
        "TMPDIR": Path(tempfile.gettempdir()),
        "home": Path.home(),
    }
    spaces = {place: disk_space(path) for place, path in places.items()}
    return {place: space for place, space in spaces.items() if space is not None}
