"""GPUs of this machine and the CUDA that is installed, asked of NVIDIA's programs, without loading torch."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_TIMEOUT_S = 20
"""A driver that hangs, as after a GPU fell off the bus, is told as missing instead of waited for."""

LEAST_DRIVER = {11: 450, 12: 525, 13: 580}
"""Least major version of the driver for each major version of CUDA:
https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html, table 1."""


@dataclass(frozen=True)
class Gpu:
    """One GPU, as nvidia-smi names it."""

    name: str
    memory: int
    """Bytes."""
    driver: str


def gpus() -> tuple[Gpu, ...]:
    """GPUs that the driver answers for; none where there is no driver, or it fails."""
    return read_gpus(
        _output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits")
    )


def read_gpus(text: str) -> tuple[Gpu, ...]:
    """GPUs in the lines of `nvidia-smi --query-gpu=name,memory.total,driver_version`, memory in MiB."""
    found = []
    for line in text.splitlines():
        words = [word.strip() for word in line.rsplit(",", 2)]
        if len(words) == 3:
            memory = int(words[1]) * 2**20 if words[1].isdigit() else 0  # "[N/A]" where memory is the machine's own
            found.append(Gpu(words[0], memory, words[2]))
    return tuple(found)


def driver_cuda() -> str | None:
    """Newest CUDA that the driver serves, from the head of nvidia-smi's summary; no query field tells it."""
    found = re.search(r"CUDA Version\s*:\s*(\d+(?:\.\d+)+)", _output("nvidia-smi"))
    return found[1] if found else None


def nvcc() -> str | None:
    """Version of the CUDA toolkit's compiler; None where there is none on PATH, in CUDA_HOME or at its usual place."""
    program = shutil.which("nvcc") or str(Path(os.environ.get("CUDA_HOME") or "/usr/local/cuda") / "bin" / "nvcc")
    found = re.search(r"release (\d+(?:\.\d+)+)", _output(program, "--version"))
    return found[1] if found else None


def torch_cuda() -> str | None:
    """CUDA that the installed torch was built for; None for a CPU build, or without torch. Read, not imported."""
    specification = importlib.util.find_spec("torch")
    if specification is None or specification.origin is None:
        return None
    return read_torch_cuda((Path(specification.origin).parent / "version.py").read_text())


def read_torch_cuda(text: str) -> str | None:
    """CUDA in the text of torch/version.py."""
    found = re.search(r"^cuda\b[^=\n]*=\s*['\"]([\d.]+)['\"]", text, re.MULTILINE)
    return found[1] if found else None


def too_old_driver(driver: str, cuda: str) -> int | None:
    """The major version that a driver needs for `cuda`, where `driver` is older; None where it will do."""
    least = LEAST_DRIVER.get(int(cuda.partition(".")[0]))
    major = driver.partition(".")[0]
    return least if least is not None and major.isdigit() and int(major) < least else None


def _output(*command: str) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout if answer.returncode == 0 else ""
