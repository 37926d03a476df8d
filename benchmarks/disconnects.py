"""How soon what is generated for a client ends once the client has gone, and whether anything is left behind.

    python benchmarks/disconnects.py [--disconnects 300] [--port 8541]

One real endpoint on CPU with a model of random weights whose answers do not end by themselves. One client after the
other asks chat, responses or completions, streamed or not, one answer or three, and goes: at once, within 0.3 s, while
a whole answer is being made, or after 1 to 40 pieces of a stream. Told is the time from when the client closes its
connection until the engine replica has no call left, as the replica itself counts them: a call ends only behind vLLM's
abort. It is asked for every few milliseconds until it has been 0 for a while, so that a request that reaches the
replica after its client went counts too. Those that never came so far have the time 0. At the end vLLM must be idle.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

import ray

sys.path.insert(0, str(Path(__file__).parents[1]))

from octupus.serve.local_endpoint import endpoint
from tests.integration.random_model import write_random_model
from tests.integration.serving.asking import MODEL
from tests.integration.serving.engine_load import EngineLoad
from tests.integration.serving.leaving import Departure, departures, leave

QUIET_S = 0.3
LIMIT_S = 60.0


def main() -> None:
    """Measure and tell; the status is 1 when something is left behind or the 99th percentile is above a second."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--disconnects", type=int, default=300)
    parser.add_argument("--port", type=int, default=8541)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        with (
            tempfile.TemporaryDirectory() as scratch,
            endpoint(write_random_model(Path(scratch)), MODEL, options.port) as url,
        ):
            load = EngineLoad()
            asked = departures(options.disconnects, options.seed)
            times = [abort_time_s(url, load, departure) for departure in asked]
            left = load.requests()
            idle_cpu_s = idle_cpu(load)
    finally:
        ray.shutdown()
    print(report(asked, times))
    print(f"left behind: {left} requests; vLLM's CPU time in the second after: {1e3 * idle_cpu_s:.0f} ms")
    sys.exit(int(left > 0 or idle_cpu_s > 0.1 or percentile([time for time in times if time], 99) > 1))


def abort_time_s(url: str, load: EngineLoad, departure: Departure) -> float:
    """Seconds from the client's going until the replica has no call; 0 where it never had one after that."""
    went = asyncio.run(leave(url, departure))
    if went is None:
        raise SystemExit(f"the whole answer came before the client went: {departure}")
    busy = went
    while (now := time.monotonic()) < max(busy, went) + QUIET_S:
        if load.requests():
            busy = time.monotonic()
        if now > went + LIMIT_S:
            raise SystemExit(f"a request still runs {LIMIT_S:g} s after its client went: {departure}")
        time.sleep(0.001)
    return busy - went


def idle_cpu(load: EngineLoad) -> float:
    """CPU seconds that vLLM takes in a second in which nothing is asked."""
    time.sleep(1)
    before = load.core_cpu_s()
    time.sleep(1)
    return load.core_cpu_s() - before


def report(asked: Sequence[Departure], times: Sequence[float]) -> str:
    """A table by kind of departure."""
    kinds = {
        "all": list(times),
        "streamed": [time for time, each in zip(times, asked, strict=True) if each.stream],
        "whole": [time for time, each in zip(times, asked, strict=True) if not each.stream],
    }
    lines = ["| answers | disconnects | reached the engine | abort p50 ms | p99 ms | longest ms |", "|---" * 6 + "|"]
    for kind, found in kinds.items():
        reached = [time for time in found if time] or [0.0]
        told = [1e3 * number for number in (percentile(reached, 50), percentile(reached, 99), max(reached))]
        lines.append(f"| {kind} | {len(found)} | {len(reached)} | {' | '.join(f'{number:.0f}' for number in told)} |")
    return "\n".join(lines)


def percentile(values: Sequence[float], percent: int) -> float:
    """Of at least one value."""
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else sum(values)


if __name__ == "__main__":
    main()
