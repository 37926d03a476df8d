"""Half an hour of requests, some of whose clients leave: do memory and open files of the endpoint stay flat?

    python benchmarks/serving_soak.py [--minutes 30] [--rate 10] [--leaving 0.1]

Every ten seconds the resident memory and the open file descriptors of ingress, replicas, engines and proxy are noted.
Told: their first and last values and the slope of a straight line through them, an hour's worth, once the first fifth
is left out, in which caches fill; how the requests ended; and whether any is still active at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import linear_regression
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from endpoint_load import LoadPlan, Record, running_load
from endpoint_requests import invalid_calls, questions
from endpoint_under_test import CONTROLLER, ENGINE_CORE, INGRESS, REPLICA, Endpoint, running_endpoint

SAMPLE_S = 10.0
WARM_SHARE = 0.2
REPORTED_S = 15.0
"""Metrics are up to this much behind."""


def main() -> None:
    """Run, tell, and fail when a request was lost or left behind."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="octupus-soak-") as scratch:
        directory = Path(scratch)
        with running_endpoint(directory, options.port, options.engines, options.front) as endpoint:
            samples, records = soak(endpoint, directory, options)
            time.sleep(REPORTED_S)
            active = active_requests(endpoint.url)
    endings = Counter(record.ending for record in records)
    result = {
        "minutes": options.minutes,
        "rate": options.rate,
        "requests": len(records),
        "endings": dict(endings),
        "invalid_calls": sum(
            invalid_calls(record.answer) for record in records if record.ending == "whole" and record.answer
        ),
        "active_at_the_end": active,
        "processes": {name: slopes(values) for name, values in samples.items()},
    }
    if options.json:
        options.json.write_text(json.dumps(result | {"samples": samples}, indent=1) + "\n")
    print(json.dumps({name: value for name, value in result.items() if name != "processes"}))
    print(table(result["processes"]))
    if set(endings) - {"whole", "left"} or active or result["invalid_calls"]:
        raise SystemExit("requests were lost or left behind")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=10.0, help="requests a second")
    parser.add_argument("--leaving", type=float, default=0.1, help="share of clients that break off")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--engines", type=int, default=2, help="replicas")
    parser.add_argument("--front", action="store_true", help="HAProxy in front")
    parser.add_argument("--port", type=int, default=8553)
    parser.add_argument("--json", type=Path, help="file for the results")
    return parser.parse_args()


def soak(
    endpoint: Endpoint, directory: Path, options: argparse.Namespace
) -> tuple[dict[str, list[list[float]]], list[Record]]:
    """Samples [seconds, resident bytes, open files] by process, and what the requests met."""
    processes = named_processes(endpoint)
    samples: dict[str, list[list[float]]] = {name: [] for name in processes}
    plan = LoadPlan(endpoint.url, questions(options.max_tokens, variants=8), rate=options.rate, leaving=options.leaving)
    started = time.monotonic()
    with running_load(plan, directory / "records.jsonl") as load:
        while (elapsed := time.monotonic() - started) < 60 * options.minutes:
            for name, process in processes.items():
                samples[name].append([elapsed, process.memory_info().rss, process.num_fds()])
            time.sleep(SAMPLE_S)
    return samples, load.records


def named_processes(endpoint: Endpoint) -> dict[str, psutil.Process]:
    """The endpoint's processes by what they are."""
    kinds = {"ingress": INGRESS, "replica": REPLICA, "engine": ENGINE_CORE, "proxy": endpoint.proxy}
    kinds["controller"] = CONTROLLER
    return {
        f"{kind} {number}": psutil.Process(pid)
        for kind, name in kinds.items()
        for number, pid in enumerate(endpoint.pids(name), 1)
    }


def slopes(samples: Sequence[Sequence[float]]) -> dict[str, float]:
    """First and last values and the rise in an hour; memory in MiB."""
    settled = samples[int(WARM_SHARE * len(samples)) :]
    hours = [sample[0] / 3600 for sample in settled]
    told: dict[str, float] = {}
    for name, position, unit in (("rss_mib", 1, 2**20), ("fds", 2, 1)):
        values = [sample[position] / unit for sample in settled]
        told |= {
            f"{name}_first": samples[0][position] / unit,
            f"{name}_settled": values[0],
            f"{name}_last": values[-1],
            f"{name}_per_hour": linear_regression(hours, values).slope,
        }
    return told


def active_requests(url: str) -> float:
    """Requests that the ingress still counts as being answered."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("ray_octupus_active_requests"))


def table(processes: dict[str, Any]) -> str:
    """Markdown."""
    columns = list(next(iter(processes.values())))
    lines = [f"| process | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, values in processes.items():
        lines.append(f"| {name} | {' | '.join(f'{values[column]:.1f}' for column in columns)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
