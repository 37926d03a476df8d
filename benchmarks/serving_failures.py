"""Requests while parts of the endpoint are killed and replaced: how many are lost, and how long clients wait.

    python benchmarks/serving_failures.py [--kills 30] [--infrastructure-kills 10] [--updates 20] [--broken-updates 10]

Two engine replicas on CPUs, a model of random weights, requests of every kind at a steady rate (open loop): both APIs,
streamed and whole, with a required call and without tools, greedy and with a seed. Whole answers are asked for by the
`openai` package, whose own retries are counted. The phases, each with a load of its own:

- `nothing`: the comparison; answers may differ from the first ones here too, because a batch of another size changes
  the last bits of a sum;
- `replica and engine, one by one`: SIGKILL in turn to a replica's process and to an engine's, each after the last one
  was replaced;
- `replica and engine, at random times`: the same without waiting, so that no replica may be left for a while;
- `proxy`, `controller`, `ingress`: Serve's processes. A dead ingress takes its clients' connections along, and so does
  a dead proxy where no HAProxy is in front; what is asked then is that every such client sees it (`cut`), and that new
  requests are answered soon;
- `good updates`: `serve.run` with a harmless change, which replaces all replicas; `broken updates`: with an engine that
  cannot start.

An answer is `lost` when the server told of an error, cut it, or did not end it in time; `silent` when a stream ended in
good order without being whole. `recovery` is from the kill until all replicas run again; `pause` the longest gap seen
by a stream that was continued elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from endpoint_load import LoadPlan, Record, running_load
from endpoint_requests import invalid_calls, questions
from endpoint_under_test import (
    CONTROLLER,
    ENGINE_CORE,
    INGRESS,
    REPLICA,
    Endpoint,
    running_endpoint,
    wait_until,
)

LOST = ("error", "shed", "cut", "unreachable", "timeout", "open")
STEADY_S = 20.0
SETTLE_S = 3.0
BETWEEN_KILLS_S = (2.0, 20.0)
KINDS = ("greedy", "seeded", "continued")


@dataclass
class Phase:
    """What happened in one phase."""

    name: str
    events: int = 0
    """Kills or updates."""
    seconds: list[float] = field(default_factory=list)
    """Each one's recovery."""
    notes: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


def main() -> None:
    """Run the phases, tell, and fail when an answer was lost that must not be."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="octupus-failures-") as scratch:
        directory = Path(scratch)
        with running_endpoint(
            directory, options.port, options.engines, options.front, engine={"max_num_seqs": 64}
        ) as endpoint:
            run = Run(endpoint, options, directory)
            expected = run.unbroken()
            rows = []
            for name, events in run.phases():
                if options.only and not any(part in name for part in options.only):
                    continue
                phase = run.phase(name, events)
                rows.append(told(phase, run.questions, expected, endpoint.failovers()))
                rows[-1]["must_hold"] = name != "ingress" and (name != "proxy" or options.front)
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
            lines = list(endpoint.access_lines())
    summary = {"phases": rows, "invalid_by_server": sum(int(line.get("invalid_calls", 0)) for line in lines)}
    if options.json:
        options.json.write_text(json.dumps(summary, indent=1) + "\n")
    print(table(rows))
    if any(row["silent"] or row["invalid_calls"] for row in rows) or any(
        row["lost"] for row in rows if row["must_hold"]
    ):
        raise SystemExit("requests were lost")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=30, help="of replicas and engines, half of them one by one")
    parser.add_argument("--infrastructure-kills", type=int, default=10, help="of the proxy, and of the controller")
    parser.add_argument("--ingress-kills", type=int, default=1)
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--broken-updates", type=int, default=10)
    parser.add_argument("--only", nargs="+", help="phases whose names contain one of these")
    parser.add_argument("--rate", type=float, default=5.0, help="requests a second")
    parser.add_argument("--max-tokens", type=int, default=120)
    parser.add_argument("--engines", type=int, default=2, help="replicas")
    parser.add_argument("--front", action="store_true", help="HAProxy in front")
    parser.add_argument("--port", type=int, default=8551)
    parser.add_argument("--json", type=Path, help="file for the results")
    return parser.parse_args()


class Run:
    """One endpoint and what is done to it."""

    def __init__(self, endpoint: Endpoint, options: argparse.Namespace, directory: Path) -> None:
        self._endpoint = endpoint
        self._options = options
        self._directory = directory
        self._chance = random.Random(1)
        self.questions = questions(options.max_tokens, variants=2)

    def unbroken(self) -> list[dict[str, Any]]:
        """What each question is answered while nothing happens."""
        plan = LoadPlan(self._endpoint.url, self.questions, concurrency=2, requests=len(self.questions))
        with running_load(plan, self._directory / "unbroken.jsonl") as load:
            load.wait()
        wrong = [record for record in load.records if record.ending != "whole"]
        if wrong:
            raise SystemExit(f"the endpoint does not even answer undisturbed: {wrong[0]}")
        return [record.answer or {} for record in load.records]

    def phase(self, name: str, events: Callable[[Phase], None]) -> Phase:
        """Ask while `events` happen."""
        phase = Phase(name)
        plan = LoadPlan(self._endpoint.url, self.questions, rate=self._options.rate, official=True)
        with running_load(plan, self._directory / "records.jsonl") as load:
            time.sleep(SETTLE_S)
            events(phase)
            time.sleep(SETTLE_S)
        phase.records = load.records
        return phase

    def phases(self) -> Iterator[tuple[str, Callable[[Phase], None]]]:
        """Names, and what is done."""
        options = self._options
        one_by_one = options.kills - options.kills // 2
        infrastructure = options.infrastructure_kills
        yield "nothing", lambda phase: time.sleep(STEADY_S)
        yield "replica and engine, one by one", lambda phase: self._kill_engines(phase, one_by_one)
        yield "replica and engine, at random times", lambda phase: self._kill_at_random(phase, options.kills // 2)
        yield "good updates", lambda phase: self._update(phase, options.updates)
        yield "broken updates", lambda phase: self._break(phase, options.broken_updates)
        yield "controller", lambda phase: self._kill_others(phase, CONTROLLER, infrastructure)
        yield "proxy", lambda phase: self._kill_others(phase, self._endpoint.proxy, infrastructure)
        yield "ingress", lambda phase: self._kill_others(phase, INGRESS, options.ingress_kills)

    def _kill_engines(self, phase: Phase, kills: int) -> None:
        for number in range(kills):
            replica, pid = self._strike(phase, ENGINE_CORE if number % 2 else REPLICA)
            self._recover(phase, replica, pid)

    def _kill_at_random(self, phase: Phase, kills: int) -> None:
        for number in range(kills):
            wait_until(lambda: bool(self._endpoint.pids(ENGINE_CORE)), "an engine to kill")
            self._strike(phase, ENGINE_CORE if number % 2 else REPLICA)
            time.sleep(self._chance.uniform(*BETWEEN_KILLS_S))
        seconds = wait_until(lambda: self._complete(REPLICA) and self._endpoint.healthy(), "recovery")
        phase.notes.append(f"all replaced {seconds:.0f} s after the last kill")

    def _kill_others(self, phase: Phase, name: str, kills: int) -> None:
        for _ in range(kills):
            _, pid = self._strike(phase, name)
            answering = wait_until(self._endpoint.answers, f"answers after a {name} was killed")
            phase.notes.append(f"answers after {answering:.1f} s")
            self._recover(phase, name, pid, answering)

    def _strike(self, phase: Phase, name: str) -> tuple[str, int]:
        pid = self._chance.choice(self._endpoint.pids(name))
        os.kill(pid, signal.SIGKILL)
        phase.events += 1
        return name, pid

    def _complete(self, name: str) -> bool:
        engines: int = self._options.engines
        return len(self._endpoint.pids(name)) == (engines if name in (REPLICA, ENGINE_CORE) else 1)

    def _recover(self, phase: Phase, name: str, pid: int, waited_s: float = 0.0) -> None:
        def replaced() -> bool:
            return pid not in self._endpoint.pids(name) and self._complete(name) and self._endpoint.healthy()

        seconds = waited_s + wait_until(replaced, f"recovery of {name}")
        phase.seconds.append(seconds)
        print(f"{phase.name}: {name} {pid} replaced after {seconds:.1f} s", file=sys.stderr, flush=True)
        time.sleep(self._chance.uniform(1, 5))

    def _update(self, phase: Phase, updates: int) -> None:
        for number in range(updates):
            started = time.monotonic()
            self._endpoint.deploy(limits={"max_tools": 100 + number % 2})
            wait_until(self._endpoint.healthy, "an update ends")
            phase.events += 1
            phase.seconds.append(time.monotonic() - started)
            print(f"{phase.name}: {phase.seconds[-1]:.1f} s", file=sys.stderr, flush=True)

    def _break(self, phase: Phase, updates: int) -> None:
        for number in range(updates):
            started = time.monotonic()
            try:
                self._endpoint.deploy(engine={"max_num_seqs": 64, "max_model_len": 100_000 + number})
            except RuntimeError as error:
                phase.notes.append(str(error).splitlines()[-1][:200])
            else:
                raise SystemExit("an engine started that must not")
            phase.events += 1
            phase.seconds.append(time.monotonic() - started)
            print(f"{phase.name}: {phase.seconds[-1]:.1f} s", file=sys.stderr, flush=True)
        if updates:
            self._endpoint.deploy()
            wait_until(self._endpoint.healthy, "a good update mends a broken one")


def told(
    phase: Phase, asked: list[dict[str, Any]], expected: list[dict[str, Any]], failovers: dict[str, int]
) -> dict[str, Any]:
    """One row of the table."""
    endings = Counter(record.ending for record in phase.records)
    whole = [record for record in phase.records if record.ending == "whole"]
    continued = [record for record in phase.records if failovers.get(record.request_id)]

    def equal(greedy: bool, among: list[Record]) -> list[int]:
        chosen = [record for record in among if record.ending == "whole" and asked[record.question]["greedy"] == greedy]
        return [sum(record.answer == expected[record.question] for record in chosen), len(chosen)]

    lost = [record for record in phase.records if record.ending in LOST]
    pauses = [record.longest_gap for record in continued if asked[record.question]["body"]["stream"]]
    return {
        "phase": phase.name,
        "events": phase.events,
        "requests": len(phase.records),
        "whole": len(whole),
        "lost": len(lost),
        "lost_streams": sum(asked[record.question]["body"]["stream"] for record in lost),
        "silent": endings["silent"],
        "endings": dict(endings),
        "retried_by_client": sum(record.retries for record in phase.records),
        "invalid_calls": sum(invalid_calls(record.answer) for record in whole if record.answer),
        "calls": sum(len(record.answer["calls"]) for record in whole if record.answer),
        "greedy_equal": equal(True, phase.records),
        "seeded_equal": equal(False, phase.records),
        "continued_equal": [sum(pair) for pair in zip(equal(True, continued), equal(False, continued), strict=True)],
        "failovers": sum(failovers.get(record.request_id, 0) for record in phase.records),
        "recovery_s": percentiles(phase.seconds),
        "pause_s": percentiles(pauses),
        "longest_answer_s": max((record.total for record in phase.records), default=0.0),
        "notes": phase.notes,
        "losses": [asdict(record) | {"answer": None} for record in _told(phase.records)],
    }


def percentiles(values: list[float]) -> dict[str, float] | None:
    """p50, p95 and the largest."""
    if not values:
        return None
    cuts = quantiles(values, n=20, method="inclusive") if len(values) > 1 else values * 19
    return {"p50": cuts[9], "p95": cuts[18], "max": max(values)}


def _told(records: list[Record]) -> list[Record]:
    """Every silent ending, since none may be, and the first of the other losses."""
    silent = [record for record in records if record.ending == "silent"]
    return [*silent, *[record for record in records if record.ending not in ("whole", "silent")][:20]]


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    head = (
        "| phase | events | requests | lost (streams) | silent | retried by client | invalid calls | greedy equal "
        "| seeded equal | of those continued | failovers | recovery p50 / p95 s | pause p50 / p95 s |"
    )
    lines = [head, "|---" * 13 + "|"]

    def pair(values: dict[str, float] | None, digits: int) -> str:
        return f"{values['p50']:.{digits}f} / {values['p95']:.{digits}f}" if values else ""

    def share(values: list[int]) -> str:
        return f"{values[0]}/{values[1]}" if values[1] else ""

    for row in rows:
        cells = [row["phase"], row["events"], row["requests"], f"{row['lost']} ({row['lost_streams']})"]
        cells += [row["silent"], row["retried_by_client"]]
        cells += [f"{row['invalid_calls']} of {row['calls']}", *(share(row[f"{kind}_equal"]) for kind in KINDS)]
        cells += [row["failovers"], pair(row["recovery_s"], 0), pair(row["pause_s"], 2)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
