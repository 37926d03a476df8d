import json
import logging
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from octupus.errors import TrainingError
from octupus.train.checkpoint.storage import Storage
from octupus.train.config import DataConfig, RunConfig, StageConfig, TrackingConfig
from octupus.train.watch import trackers as trackers_module
from octupus.train.watch.metrics import StepMetrics
from octupus.train.watch.trackers import STEPS_AT_ONCE, Trackers, start_trackers
from octupus.train.watch.tracking.tracker import parameters, scalars, without_credentials
from tests.train.steps import metrics


def stage(directory: Path, **tracking: str) -> StageConfig:
    return StageConfig(
        run=RunConfig(name="run", storage=str(directory)),
        model=Path("/models/base"),
        data=DataConfig(directory=Path("/data"), packs_per_step=4),
        tracking=TrackingConfig(**tracking),
    )


def event_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("events.out.tfevents.*"), key=lambda path: path.stat().st_mtime_ns)


def events(content: bytes) -> Iterator[Event]:
    """Records of a TensorBoard file: length, its checksum, an Event, its checksum."""
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        yield Event.FromString(content[12 : 12 + length])
        content = content[16 + length :]


def curves(files: Sequence[bytes]) -> dict[str, dict[int, float]]:
    """Scalars by name and step as TensorBoard shows them: a session's start forgets all steps from its own on."""
    found: dict[str, dict[int, float]] = {}
    for content in files:
        for event in events(content):
            if event.session_log.status == SessionLog.START:
                found = {name: {s: v for s, v in values.items() if s < event.step} for name, values in found.items()}
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_tensorboard_shows_every_step_once_after_a_restart(tmp_path: Path) -> None:
    config, storage = stage(tmp_path), Storage(str(tmp_path / "run"))
    for steps_done, steps in ((0, range(1, 8)), (4, range(5, 7))):
        trackers = start_trackers(config, storage, steps_done)
        for step in steps:
            trackers.log(metrics(step, loss=step + steps_done / 100, mfu=0.5 if step == 6 else None))
        trackers.close(failed=False)
    files = event_files(tmp_path / "run" / "tensorboard")
    assert len(files) == 2
    shown = curves([path.read_bytes() for path in files])
    assert shown["loss"] == pytest.approx({1: 1, 2: 2, 3: 3, 4: 4, 5: 5.04, 6: 6.04})
    assert shown["mfu"] == {6: 0.5}
    assert set(shown) == {*scalars(metrics(1)), "mfu"}


def test_tensorboard_files_go_to_object_storage(tmp_path: Path) -> None:
    storage = Storage("mock:///")
    storage._system.create_dir("tensorboard")  # S3 and GCS need none
    trackers = start_trackers(stage(tmp_path), storage, 0)
    trackers.log(metrics(1))
    trackers.close(failed=False)
    (name,) = storage.sizes("tensorboard")
    content = storage.read(f"tensorboard/{name}")
    assert content is not None
    assert curves([content])["loss"] == {1: 2.0}


class ServerIsGone(Exception):
    pass


class Recorder:
    """A tracker that keeps what it gets, and whose server can be slow or gone."""

    name = "recorder"
    errors: tuple[type[Exception], ...] = (ServerIsGone,)

    def __init__(self, gone_at: int | None = None) -> None:
        self.steps: list[int] = []
        self.calls: list[int] = []
        self.ended: list[bool] = []
        self.answers = threading.Event()
        self.answers.set()
        self._gone_at = gone_at

    def log(self, steps: Sequence[StepMetrics]) -> None:
        self.answers.wait()
        self.calls.append(len(steps))
        for step in steps:
            if step.step == self._gone_at:
                raise ServerIsGone("http://me:secret@server does not answer")
            self.steps.append(step.step)

    def close(self, failed: bool) -> None:
        self.ended.append(failed)


def test_a_slow_tracker_holds_up_no_step_and_gets_all_of_them() -> None:
    slow = Recorder()
    slow.answers.clear()
    trackers = Trackers([slow])
    for step in range(1, 100):
        trackers.log(metrics(step))
    assert slow.steps == []
    slow.answers.set()
    trackers.close(failed=True)
    assert slow.steps == list(range(1, 100))
    assert slow.ended == [True]
    assert max(slow.calls) == STEPS_AT_ONCE


def test_a_tracker_that_fails_is_left_out_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    gone, sound = Recorder(gone_at=3), Recorder()
    trackers = Trackers([gone, sound])
    with caplog.at_level(logging.INFO, "octupus"):
        for step in range(1, 7):
            trackers.log(metrics(step))
        trackers.close(failed=False)
    assert trackers.failed == ["recorder"]
    assert sound.steps == list(range(1, 7))
    assert gone.ended == []
    failures = [message for message in caplog.messages if message.startswith("train.tracker_failed")]
    assert len(failures) == 1
    assert "http://server does not answer" in failures[0]
    assert "secret" not in caplog.text
    (incomplete,) = [message for message in caplog.messages if message.startswith("train.tracker_incomplete")]
    assert int(incomplete.rpartition("=")[2]) >= 4  # steps 3 to 6, and those handed over together with 3


def test_the_end_of_a_run_does_not_wait_for_a_server_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trackers_module, "CLOSE_TIMEOUT_S", 0.05)
    stuck = Recorder()
    stuck.answers.clear()
    trackers = Trackers([stuck])
    trackers.log(metrics(1))
    with caplog.at_level(logging.INFO, "octupus"):
        trackers.close(failed=False)
    assert "train.tracker_incomplete tracker=recorder steps_not_sent=1" in caplog.messages
    stuck.answers.set()


@pytest.mark.parametrize(
    ("tracking", "package"), [({"wandb_project": "p"}, "wandb"), ({"mlflow_experiment": "e"}, "mlflow")]
)
def test_a_missing_package_is_named_at_the_beginning_only(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tracking: dict[str, str],
    package: str,
) -> None:
    for module in [package, *(name for name in sys.modules if name.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, module, None)
    config, storage = stage(tmp_path, **tracking), Storage(str(tmp_path / "run"))
    with pytest.raises(TrainingError, match=f"pip install {package}"):
        start_trackers(config, storage, 0)
    with caplog.at_level(logging.INFO, "octupus"):
        start_trackers(config, storage, 5).close(failed=False)
    assert f"pip install {package}" in caplog.text


def test_mlflow_without_a_server_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TrainingError, match="set MLFLOW_TRACKING_URI"):
        start_trackers(stage(tmp_path, mlflow_experiment="e"), Storage(str(tmp_path / "run")), 0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrainingError, match="cannot start tracking in MLflow") as raised:
        start_trackers(stage(tmp_path, mlflow_experiment="e"), Storage(str(tmp_path / "run")), 0)
    assert "secret" not in str(raised.value)


def test_mlflow_continues_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    config, storage = stage(tmp_path, mlflow_experiment="e"), Storage(str(tmp_path / "run"))
    client = mlflow.tracking.MlflowClient()
    for steps_done, failed in ((0, True), (70, False)):
        trackers = start_trackers(config, storage, steps_done)
        for step in range(steps_done + 1, steps_done + 81):
            trackers.log(metrics(step))
        trackers.close(failed)
        (run,) = client.search_runs([client.get_experiment_by_name("e").experiment_id])
        assert run.info.status == ("FAILED" if failed else "FINISHED")
    assert {point.step for point in client.get_metric_history(run.info.run_id, "loss")} == set(range(1, 151))
    assert run.data.metrics == pytest.approx(scalars(metrics(150)))
    assert run.data.params == parameters(config)
    client.delete_run(run.info.run_id)
    start_trackers(config, storage, 0).close(failed=False)
    (anew,) = client.search_runs([client.get_experiment_by_name("e").experiment_id])
    assert anew.info.run_id != run.info.run_id


WANDB_RUN = """
import sys
from pathlib import Path
from octupus.train.checkpoint.storage import Storage
from octupus.train.watch.trackers import start_trackers
from tests.train.steps import metrics
from tests.train.watch.test_trackers import stage

directory = Path(sys.argv[1])
for steps_done in (0, 4):
    trackers = start_trackers(stage(directory, wandb_project="p"), Storage(str(directory / "run")), steps_done)
    for step in range(steps_done + 1, steps_done + 6):
        trackers.log(metrics(step))
    trackers.close(failed=False)
"""


def test_wandb_continues_one_run(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    environment = os.environ | {"WANDB_MODE": "offline", "WANDB_API_KEY": "0123456789" * 4}
    command = [sys.executable, "-c", WANDB_RUN, str(tmp_path)]  # wandb starts a service that only ends with a process
    outcome = subprocess.run(
        command, env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    run_id = json.loads((tmp_path / "run" / "wandb_run.json").read_text())["id"]
    written = sorted((tmp_path / "run" / "wandb").glob(f"offline-run-*/run-{run_id}.wandb"))
    assert len(written) == 2
    assert all(b"grad_norm" in path.read_bytes() for path in written)
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert not any(b"0123456789" * 4 in path.read_bytes() for path in files)
    assert "0123456789" * 4 not in outcome.stdout + outcome.stderr


def test_credentials_leave_urls() -> None:
    assert without_credentials("GET https://a:b@host:1/x and s3://c/d@e") == "GET https://host:1/x and s3://c/d@e"
