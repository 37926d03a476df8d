"""Training workers without Ray: processes joined by gloo that run stages one after the other.

python -m tests.integration.worker_processes RANK WORLD PORT STAGES.json
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from octupus.train.config import StageConfig

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Trained:
    """A stage to train."""

    config: StageConfig
    continues: str | None = None
    """`<run>/<checkpoint>` of the same storage: the stage's own run begins with a copy of it."""


def train_in_processes(stages: Sequence[Trained], world: int, scratch: Path, timeout_s: int = 240) -> None:
    """Train the stages in `world` processes; raises AssertionError with their output when one fails."""
    listing = scratch / f"stages_{world}.json"
    plain = [{"config": stage.config.model_dump(mode="json"), "continues": stage.continues} for stage in stages]
    listing.write_text(json.dumps(plain))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    outputs = [scratch / f"worker_{world}_{rank}.txt" for rank in range(world)]
    command = [sys.executable, "-m", "tests.integration.worker_processes"]
    processes = []
    for rank, output in enumerate(outputs):
        with output.open("w") as stream:
            arguments = [*command, str(rank), str(world), str(port), str(listing)]
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            processes.append(
                subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=stream, stderr=subprocess.STDOUT)
            )
    deadline = time.monotonic() + timeout_s
    try:
        while any(process.poll() is None for process in processes):
            # One that failed leaves the others waiting for it.
            if any(process.poll() for process in processes) or time.monotonic() > deadline:
                break
            time.sleep(0.1)
    finally:
        for process in processes:
            process.kill()
    codes = [process.wait() for process in processes]
    assert codes == [0] * world, "\n".join(f"{output}:\n{output.read_text()[-4000:]}" for output in outputs)


def _main(rank: int, world: int, port: int, listing: Path) -> None:
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(world),
        "LOCAL_RANK": str(rank),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    import torch.distributed

    from octupus.train.loop import train_stage

    torch.distributed.init_process_group("gloo")
    for values in json.loads(listing.read_text()):
        config = StageConfig.model_validate(values["config"])
        print(config.run.name, flush=True)
        if values["continues"] and rank == 0:
            source = Path(config.run.storage) / values["continues"]
            shutil.copytree(source, Path(config.run.location) / source.name)
        torch.distributed.barrier()
        train_stage(config)
        torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
