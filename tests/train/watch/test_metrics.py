from pathlib import Path

import pytest

from octupus.train.checkpoint.storage import Storage
from octupus.train.watch import metrics as metrics_module
from octupus.train.watch.metrics import METRICS_FILE, MetricsLog, parse_metrics, read_metrics
from tests.train.steps import metrics, write_steps


def test_continuing_drops_the_steps_that_come_again(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    write_steps(storage, range(1, 8))
    with (tmp_path / METRICS_FILE).open("a") as stream:
        stream.write('{"step": 8, "lo')  # the writer died here
    assert read_metrics(storage) == [metrics(step) for step in range(1, 8)]
    write_steps(storage, [5], steps_done=4)
    assert read_metrics(storage) == [metrics(step) for step in range(1, 6)]


def test_a_writer_that_is_still_alive_does_not_disturb_the_next(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    dying = MetricsLog(storage, 0)
    dying.append(metrics(1))
    successor = MetricsLog(storage, 1)
    dying.append(metrics(2, loss=9.0))
    successor.append(metrics(2))
    assert read_metrics(storage) == [metrics(1), metrics(2)]
    dying.close()
    successor.close()


def test_object_storage_gets_the_file_now_and_then_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage("mock:///")
    log = MetricsLog(storage, 0)
    log.append(metrics(1))
    assert read_metrics(storage) == []
    monkeypatch.setattr(metrics_module, "UPLOAD_INTERVAL_S", 0.0)
    log.append(metrics(2))
    assert read_metrics(storage) == [metrics(1), metrics(2)]
    monkeypatch.setattr(metrics_module, "UPLOAD_INTERVAL_S", 3600.0)
    log.append(metrics(3))
    log.close()
    write_steps(storage, [3, 4], steps_done=2)
    assert read_metrics(storage) == [metrics(step) for step in range(1, 5)]


def test_what_optional_values_become(tmp_path: Path) -> None:
    step = metrics(1, mfu=0.4, evaluation_loss=1.5, workers=3)
    storage = Storage(str(tmp_path))
    log = MetricsLog(storage, 0)
    log.append(step)
    log.close()
    content = storage.read(METRICS_FILE)
    assert content is not None
    assert parse_metrics(content) == [step]
    assert (step.tokens_per_s, step.fill) == (1800, 0.9)
