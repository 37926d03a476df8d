"""`octupus doctor`: what on this machine differs from what octupus needs and is tested with."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from octupus import installation, versions
from octupus.serve.ports import port_advice, port_in_use

_NEEDED_DISK_GIB = 10


def doctor(port: int) -> int:
    """Print findings; 0 when there is nothing to mend."""
    for name, version in versions.installed().items():
        print(f"{name:20} {version}")
    problems = [*versions.mismatches(), *installation.missing_compilers(Path(sys.prefix))]
    if port_in_use(port):
        problems.append(port_advice(port))
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    if free < _NEEDED_DISK_GIB:
        problems.append(f"{free:.1f} GiB of disk are free here; {_NEEDED_DISK_GIB} are needed")
    for problem in problems:
        print(f"problem: {problem}")
    print("all well" if not problems else f"{len(problems)} to mend")
    return 1 if problems else 0
