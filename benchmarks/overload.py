"""Four times as many requests as the endpoint can answer: how many it still answers, and how soon it turns others away.

    python benchmarks/overload.py [--seconds 30] [--factor 4]

First the most that it answers: closed loops of growing concurrency, the best of which counts. Then an open loop at
`--factor` times that rate. Goodput is whole answers a second that ended within the window, whose beginning is left out.
Aims: goodput of at least 90 % of the most, 99 of 100 requests that are shed (429 with Retry-After) told so in under
200 ms, and no other failure. The client runs on the same machine, so its share of the processors grows with the rate.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import quantiles
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from endpoint_load import LoadPlan, Record, running_load
from endpoint_requests import questions
from endpoint_under_test import Endpoint, running_endpoint

ENGINE_SEQS = 16
WARM_SHARE = 0.2
GOODPUT_AIM = 0.9
SHED_AIM_S = 0.2


def main() -> None:
    """Measure, tell, and fail when an aim is missed."""
    options = _options()
    sections: dict[str, dict[str, Any]] = {"engine": {"max_num_seqs": options.max_num_seqs}}
    if options.max_active is not None:
        sections["limits"] = {"max_active_requests": options.max_active}
    with tempfile.TemporaryDirectory(prefix="octupus-overload-") as scratch:
        directory = Path(scratch)
        with running_endpoint(directory, options.port, options.engines, options.front, **sections) as endpoint:
            closed = {
                concurrency: goodput(*measured(endpoint, directory, options, concurrency=concurrency))
                for concurrency in options.concurrency
            }
            most = max(closed.values())
            print("closed loops:", {key: round(value, 2) for key, value in closed.items()}, file=sys.stderr, flush=True)
            records, window = measured(endpoint, directory, options, rate=options.factor * most)
    result = outcome(records, window, most) | {"closed": closed}
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    if not result["held"]:
        raise SystemExit("an aim was missed")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    parser.add_argument("--factor", type=float, default=4.0)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--engines", type=int, default=1)
    parser.add_argument("--max-num-seqs", type=int, default=ENGINE_SEQS, help="requests that an engine runs at once")
    parser.add_argument("--max-active", type=int, help="limits.max_active_requests; else what octupus takes by itself")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--front", action="store_true", help="HAProxy in front")
    parser.add_argument("--port", type=int, default=8552)
    parser.add_argument("--json", type=Path, help="file for the results")
    return parser.parse_args()


def measured(
    endpoint: Endpoint, directory: Path, options: argparse.Namespace, **load: Any
) -> tuple[list[Record], tuple[float, float]]:
    """What requests met, and the window that counts, in seconds since 1970."""
    plan = LoadPlan(endpoint.url, questions(options.max_tokens, variants=4), duration_s=options.seconds, **load)
    started = time.time()
    with running_load(plan, directory / "records.jsonl") as running:
        running.wait()
    started = min((record.sent_at for record in running.records), default=started)
    return running.records, (started + WARM_SHARE * options.seconds, started + options.seconds)


def goodput(records: list[Record], window: tuple[float, float]) -> float:
    """Whole answers a second that ended within the window."""
    ended = [record.sent_at + record.total for record in records if record.ending == "whole"]
    return sum(window[0] <= moment <= window[1] for moment in ended) / (window[1] - window[0])


def outcome(records: list[Record], window: tuple[float, float], most: float) -> dict[str, Any]:
    """The numbers of the overload and whether all aims hold."""
    endings = Counter(record.ending for record in records)
    shed = sorted(record.total for record in records if record.ending == "shed")
    cuts = quantiles(shed, n=100, method="inclusive") if len(shed) > 1 else [0.0] * 99
    reached = goodput(records, window)
    without_advice = sum(record.ending == "shed" and not record.retry_after for record in records)
    others = {ending: count for ending, count in endings.items() if ending not in ("whole", "shed")}
    return {
        "most_requests_s": most,
        "goodput_requests_s": reached,
        "goodput_share": reached / most,
        "offered": len(records),
        "endings": dict(endings),
        "shed_s": {"p50": cuts[49], "p99": cuts[98], "max": max(shed, default=0.0)},
        "shed_without_retry_after": without_advice,
        "examples": [record.error for record in records if record.ending in others][:5],
        "held": reached >= GOODPUT_AIM * most and cuts[98] < SHED_AIM_S and not others and not without_advice,
    }


if __name__ == "__main__":
    main()
