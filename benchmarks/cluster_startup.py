"""What a cluster's machinery costs: submitting a job, its first task, and adding a node.

    python benchmarks/cluster_startup.py [--rounds 5]

A head without CPUs and one node of two, all on this machine, warm: one job has run. Told are, as median and range,
  bare    `python -c pass` in the same environment, to subtract;
  job     `ray job submit -- python -c pass`, from the command to its exit;
  task    the same of a job that connects and runs one task on a node;
  node    `ray start --address ...`, until the node is part of the cluster.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.integration.ray_nodes import RayNodes, ray_nodes

TASK = """
import ray
ray.init(log_to_driver=False, logging_level="ERROR")
ray.get(ray.remote(num_cpus=1)(lambda: None).remote())
"""


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with ray_nodes() as nodes:
        nodes.add(cpus=2)
        submitted(nodes, "pass")
        tell("bare", [seconds(lambda: nodes.run(sys.executable, "-c", "pass")) for _ in range(rounds)])
        tell("job", [seconds(lambda: submitted(nodes, "pass")) for _ in range(rounds)])
        tell("task", [seconds(lambda: submitted(nodes, TASK)) for _ in range(rounds)])
        tell("node", [seconds(lambda: nodes.add(cpus=1)) for _ in range(rounds)])


def submitted(nodes: RayNodes, code: str) -> None:
    answer = nodes.submit("-c", code)
    if answer.returncode:
        raise SystemExit(answer.stdout + answer.stderr)


def seconds(act: Callable[[], object]) -> float:
    started = time.monotonic()
    act()
    return time.monotonic() - started


def tell(name: str, took: list[float]) -> None:
    print(f"{name:5} {statistics.median(took):6.2f} s ({min(took):.2f} to {max(took):.2f})", flush=True)


if __name__ == "__main__":
    main()
