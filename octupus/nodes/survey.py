"""Asks every node of the connected cluster at once what it is, and whether it shares storage and time with the driver.

The only module of this package that meets Ray. Nodes answer in plain values, so that one whose octupus is another
copy can be read, or named. A node that does not answer in time is reported, not waited for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octupus.errors import OutputError
from octupus.nodes import storage
from octupus.nodes.clock import ClockOffset, best, clock_offset
from octupus.nodes.cluster import DeadNode, DriverStorage, NodeReport, StorageVisit, Survey
from octupus.nodes.disk import DiskSpace
from octupus.nodes.facts import FactsError, NodeFacts, gather
from octupus.nodes.storage import StorageFullError, Token
from octupus.telemetry import event

logger = logging.getLogger(__name__)

_CLOCK_ROUNDS = 4
_REMOVED_ON_PURPOSE = {"EXPECTED_TERMINATION", "AUTOSCALER_DRAIN_IDLE", "1", "4"}
"""NodeDeathInfo.Reason of Ray's common.proto, by name and number."""


@dataclass(frozen=True)
class _Answer:
    """What became of a task on one node; times by the driver's clock."""

    sent: float
    received: float
    value: Any = None
    failure: str | None = None


def survey(storages: Sequence[str] = (), inputs: Sequence[str] = (), timeout_s: float = 120.0) -> Survey:
    """Look at every node that is alive. `inputs` are local paths that every node must see.

    A node has `timeout_s` to answer, which includes setting up the job's runtime_env and a worker process there. One
    that dies meanwhile is dead, not silent. Leaves nothing behind in the storages, unless a node dies that shares none
    of them. Ray must be connected.
    """
    import ray

    alive = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
    locations = [storage.absolute(location) for location in storages]
    tokens: dict[str, Token] = {}
    try:
        driver_storages = tuple(_write(location, tokens) for location in locations)
        answers = _ask(ray.remote(_visit), (tokens, [str(Path(path).absolute()) for path in inputs]), alive, timeout_s)
        clocks = _clocks([node for node in alive if answers[node].failure is None], timeout_s)
        dead = {node["NodeID"]: _dead(node) for node in ray.nodes() if not node["Alive"]}
        reports = tuple(
            _report(alive[node], answer, clocks.get(node), _read_back(node, answer, timeout_s))
            for node, answer in answers.items()
            if answer.failure is None or node not in dead
        )
    finally:
        for location, token in tokens.items():
            _remove_own(location, token)
    return Survey(gather(), reports, tuple(dead.values()), driver_storages)


def _visit(tokens: Mapping[str, Token], inputs: Sequence[str]) -> dict[str, Any]:
    """Runs on a node."""
    import ray

    # Ray has no public name for the directory that it was started with.
    directory = Path(ray._private.worker.global_worker.node.get_temp_dir_path())
    facts = gather(ray.get_runtime_context().get_node_id(), directory)
    return {
        "facts": facts.plain(),
        "storages": [_visit_storage(location, token) for location, token in tokens.items()],
        "missing_inputs": [path for path in inputs if not Path(path).exists()],
    }


def _visit_storage(location: str, token: Token) -> dict[str, Any]:
    """Runs on a node: read the driver's token, and where it is there write one of its own."""
    found: dict[str, Any] = {"location": location, "sees": None, "own": None, "failure": None, "full": False}
    try:
        found["sees"] = storage.read_token(location, token)
        if found["sees"]:
            own = storage.write_token(location)
            found["own"] = (own.name, own.content)
    except OutputError as error:
        found["failure"] = str(error)
        found["full"] = isinstance(error, StorageFullError)
    space = storage.free_space(location)
    found["space"] = None if space is None else (space.path, space.total, space.free)
    return found


def _now() -> tuple[float, float]:
    """Runs on a node: T2 and T3 of the exchange."""
    arrived = time.time()
    return arrived, time.time()


def _remove(location: str, token: Token) -> None:
    """Runs on a node."""
    storage.remove_token(location, token)


def _remove_own(location: str, token: Token) -> None:
    """Remove the driver's token. Where storage is gone meanwhile, what was found of it is what must be told."""
    try:
        storage.remove_token(location, token)
    except OutputError as error:
        event(logger, "survey.token_left", error=error)


def _write(location: str, tokens: dict[str, Token]) -> DriverStorage:
    """Write the driver's token, and note it in `tokens`."""
    failure, full = None, False
    try:
        tokens[location] = storage.write_token(location)
    except OutputError as error:
        failure, full = str(error), isinstance(error, StorageFullError)
    return DriverStorage(storage.shown(location), failure, full, storage.free_space(location))


def _read_back(node: str, answer: _Answer, timeout_s: float) -> tuple[StorageVisit, ...]:
    """The node's visits, with what the driver sees of the tokens that it wrote; the tokens are removed."""
    import ray

    if answer.failure is not None:
        return ()
    visits = []
    for found in answer.value["storages"]:
        location, shared, failure = found["location"], found["sees"], found["failure"]
        if found["own"] is not None:
            own = Token(*found["own"])
            try:
                shared = storage.read_token(location, own)
                if shared:
                    storage.remove_token(location, own)
            except OutputError as error:
                shared, failure = None, f"the driver {error}"
            if not shared:  # it lies where only the node can reach it
                _ask(ray.remote(_remove), (location, own), [node], timeout_s)
        space = None if found["space"] is None else DiskSpace(*found["space"])
        visits.append(StorageVisit(storage.shown(location), shared, failure, found["full"], space))
    return tuple(visits)


def _clocks(nodes: Sequence[str], timeout_s: float) -> dict[str, ClockOffset | None]:
    """Each node's clock, by the quickest of a few exchanges; its worker process is warm by now."""
    import ray

    now = ray.remote(_now)
    samples: dict[str, list[ClockOffset]] = {node: [] for node in nodes}
    for _ in range(_CLOCK_ROUNDS):
        for node, answer in _ask(now, (), nodes, timeout_s).items():
            if answer.failure is None:
                arrived, left = answer.value
                samples[node].append(clock_offset(answer.sent, arrived, left, answer.received))
    return {node: best(found) for node, found in samples.items()}


def _report(
    node: Mapping[str, Any], answer: _Answer, clock: ClockOffset | None, visits: tuple[StorageVisit, ...]
) -> NodeReport:
    facts, failure, missing = None, answer.failure, ()
    if failure is None:
        missing = tuple(answer.value["missing_inputs"])
        try:
            facts = NodeFacts.from_plain(answer.value["facts"])
        except FactsError as error:
            failure = str(error)
    return NodeReport(
        node_id=node["NodeID"],
        address=node["NodeManagerAddress"],
        promised_gpus=float(node["Resources"].get("GPU", 0)),
        facts=facts,
        failure=failure,
        clock=clock,
        storages=visits,
        missing_inputs=missing,
    )


def _dead(node: Mapping[str, Any]) -> DeadNode:
    reason = str(node.get("DeathReason", ""))
    told = node.get("DeathReasonMessage") or reason or "Ray does not say why"
    return DeadNode(node["NodeID"], node["NodeManagerAddress"], told, reason in _REMOVED_ON_PURPOSE)


def _ask(
    task: Any, arguments: Sequence[Any], nodes: Sequence[str] | Mapping[str, Any], timeout_s: float
) -> dict[str, _Answer]:
    """Run a remote function on each node at once, beside whatever runs there; answers in the order of `nodes`."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    sent: dict[str, float] = {}
    pending: dict[Any, str] = {}
    for node in nodes:
        sent[node] = time.time()
        strategy = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        reference = task.options(num_cpus=0, max_retries=0, scheduling_strategy=strategy).remote(*arguments)
        pending[reference] = node
    answers: dict[str, _Answer] = {}
    deadline = time.monotonic() + timeout_s
    while pending:
        ready, _ = ray.wait(list(pending), num_returns=1, timeout=max(deadline - time.monotonic(), 0))
        received = time.time()
        if not ready:
            break
        node = pending.pop(ready[0])
        try:
            answers[node] = _Answer(sent[node], received, ray.get(ready[0]))
        except ray.exceptions.RayError as error:
            answers[node] = _Answer(sent[node], received, failure=_last_line(error))
    for reference, node in pending.items():
        ray.cancel(reference, force=True)
        answers[node] = _Answer(sent[node], time.time(), failure=f"no answer within {timeout_s:g} s")
    return {node: answers[node] for node in nodes}


def _last_line(error: Exception) -> str:
    """The reason at the end of a remote traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
