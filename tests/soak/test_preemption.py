"""A node that is taken away while a run trains on it: `make soak`."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ray._raylet import GcsClient
from ray.cluster_utils import Cluster
from ray.core.generated import autoscaler_pb2

from octupus.train.checkpoint import store
from octupus.train.checkpoint.storage import Storage
from octupus.train.config import (
    CheckpointConfig,
    DataConfig,
    EngineConfig,
    OptimizerConfig,
    RunConfig,
    ScalingConfig,
    StageConfig,
    WorkerRange,
)
from octupus.train.packs.prepared import read_prepared
from octupus.train.stage import pack_plan
from octupus.train.watch.metrics import read_metrics
from tests.integration.training_runs import Driver, driven
from tests.integration.worker_processes import Trained, train_in_processes
from tests.train.tiny_model import write_workspace

pytestmark = pytest.mark.timeout(1800)

STEPS = 300
PACKS_PER_STEP = 32
"""So many that the run outlasts the notice, for which Ray and the loop look every 5 s each."""
NOTICE_S = 60.0


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, packs, and the uninterrupted run."""
    directory = tmp_path_factory.mktemp("preemption")
    write_workspace(directory, packs=50)
    train_in_processes([Trained(stage(directory, "uninterrupted", 2))], 2, directory, timeout_s=3000)
    return directory


def stage(directory: Path, name: str, workers: int | WorkerRange) -> StageConfig:
    return StageConfig(
        run=RunConfig(name=name, storage=str(directory / "runs")),
        model=directory / "model",
        data=DataConfig(directory=directory / "data", packs_per_step=PACKS_PER_STEP, steps=STEPS, seed=3),
        optimizer=OptimizerConfig(lr=1e-3, min_lr=1e-4, warmup_steps=10, weight_decay=0.01),
        engine=EngineConfig(dtype="float32"),
        # The node goes before its deadline: the other worker's broken connection is a failure like any other to Ray.
        scaling=ScalingConfig(workers=workers, max_failures=1),
        checkpoint=CheckpointConfig(every_steps=STEPS),
    )


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head without CPUs and two nodes of one CPU each. Its directory is its own: in the common one it would leave its
    address for every `ray.init()` on this machine."""
    directory = tempfile.mkdtemp(prefix="octupus_cluster_")
    monkeypatch.setenv("RAY_TMPDIR", directory)
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        nodes.add_node(num_cpus=1)
    yield nodes
    nodes.shutdown()
    shutil.rmtree(directory, ignore_errors=True)


def test_a_preempted_run_goes_on_with_the_workers_that_are_left(
    cluster: Cluster, workspace: Path, tmp_path: Path
) -> None:
    config = stage(workspace, "preempted", WorkerRange(min=1, max=2))
    storage = Storage(config.run.location)
    with driven(config, tmp_path, cluster.address) as driver:
        wait_until(lambda: len(read_metrics(storage)) > 5, driver)
        leaving = sorted(cluster.worker_nodes, key=lambda node: node.node_id)[0]
        told_at = time.monotonic()
        give_notice(cluster.address, leaving.node_id)
        wait_until(lambda: store.newest(storage) is not None, driver)
        seconds = time.monotonic() - told_at
        cluster.remove_node(leaving, allow_graceful=False)
        wait_until(lambda: any(row.workers == 1 for row in read_metrics(storage)), driver)
        assert driver.wait(600) == 0, driver.tail()
    rows = read_metrics(storage)
    saved = sum(row.workers == 2 for row in rows)
    print(f"saved after step {saved}, {seconds:.0f} s after the notice")
    plan = pack_plan(config, read_prepared(config.data.directory))
    assert 5 < saved < STEPS
    assert [row.step for row in rows] == list(range(1, STEPS + 1))
    assert [row.packs for row in rows] == [plan.pack_ids(step) for step in range(STEPS)]
    assert [row.workers for row in rows] == [2] * saved + [1] * (STEPS - saved)
    whole = read_metrics(Storage(stage(workspace, "uninterrupted", 2).run.location))
    assert [row.loss for row in rows[:saved]] == [row.loss for row in whole[:saved]]
    assert [row.loss for row in rows] == pytest.approx([row.loss for row in whole], abs=1e-4)


def wait_until(holds: Callable[[], bool], driver: Driver, timeout_s: float = 240.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        driver.require_running()
        assert time.monotonic() < deadline, driver.tail()
        time.sleep(0.05)


def give_notice(address: str, node: str) -> None:
    """Tell Ray that a node will be taken away, as a cloud does."""
    deadline_ms = int(1000 * (time.time() + NOTICE_S))
    reason = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    accepted, why_not = GcsClient(address=address).drain_node(node, reason, "preempted", deadline_ms)
    assert accepted, why_not
