"""What NVIDIA's programs print is read; programs that fail or are not there mean that nothing is."""

from pathlib import Path

import pytest

from octupus.nodes import gpus
from octupus.nodes.gpus import Gpu, read_gpus, read_torch_cuda, too_old_driver

_NVIDIA_SMI = """#!/bin/sh
case "$1" in
--query-gpu=*) echo "NVIDIA H100 80GB HBM3, 81559, 580.82.07"; echo "NVIDIA GB10, [N/A], 580.82.07";;
*) echo "| NVIDIA-SMI 580.82.07    Driver Version: 580.82.07    CUDA Version: 13.0     |";;
esac
"""


def test_the_driver_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    assert (gpus.gpus(), gpus.driver_cuda(), gpus.nvcc()) == ((), None, None)
    program = tmp_path / "nvidia-smi"
    program.write_text(_NVIDIA_SMI)
    program.chmod(0o755)
    (tmp_path / "bin").mkdir()
    compiler = tmp_path / "bin" / "nvcc"
    compiler.write_text("#!/bin/sh\necho 'Cuda compilation tools, release 13.0, V13.0.88'\n")
    compiler.chmod(0o755)
    assert gpus.gpus() == (
        Gpu("NVIDIA H100 80GB HBM3", 81559 * 2**20, "580.82.07"),
        Gpu("NVIDIA GB10", 0, "580.82.07"),
    )
    assert (gpus.driver_cuda(), gpus.nvcc()) == ("13.0", "13.0")
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'; exit 9\n")
    assert (gpus.gpus(), gpus.driver_cuda()) == ((), None)


def test_only_lines_of_gpus_are_read() -> None:
    assert read_gpus("No devices were found\n") == ()


def test_cuda_of_torch_is_read_from_its_file() -> None:
    assert (
        read_torch_cuda("from typing import Optional\ncuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n")
        == "13.0"
    )
    assert read_torch_cuda("cuda: Optional[str] = None\nrocm: Optional[str] = '6.4'\n") is None


@pytest.mark.parametrize(
    ("driver", "cuda", "needed"),
    [
        ("580.82", "13.0", None),
        ("575.57", "13.0", 580),
        ("525.1", "12.9", None),
        ("470.1", "12.4", 525),
        ("1", "99.0", None),
    ],
)
def test_drivers_serve_their_major_version_of_cuda(driver: str, cuda: str, needed: int | None) -> None:
    assert too_old_driver(driver, cuda) == needed
