import io
import logging
import random
import time
from pathlib import Path

import pytest
from rich.console import Console

from octupus.train.checkpoint.storage import Storage
from octupus.train.watch import progress
from octupus.train.watch.metrics import METRICS_FILE, MetricsLog, StepMetrics, read_metrics
from octupus.train.watch.progress import MetricsTail, RunState, followed
from tests.train.steps import metrics, write_steps

STORAGES = ["local", "mock"]


def storage_of(kind: str, directory: Path) -> Storage:
    return Storage("mock:///") if kind == "mock" else Storage(str(directory / "run"))


@pytest.mark.parametrize("kind", STORAGES)
@pytest.mark.parametrize("seed", range(5))
def test_the_tail_always_knows_what_the_file_says(tmp_path: Path, kind: str, seed: int) -> None:
    """Whatever is appended, restarted, torn or looked at, in any order."""
    chance = random.Random(seed)
    storage = storage_of(kind, tmp_path)
    tail, log, step = MetricsTail(storage), MetricsLog(storage, 0), 0
    seen: list[StepMetrics] = []

    def look() -> None:
        new, rewritten = tail.new()
        seen[:] = new if rewritten else seen + new
        assert seen == read_metrics(storage)

    for _ in range(150):
        action = chance.random()
        if action < 0.55:
            step += 1
            log.append(metrics(step, step_s=chance.random()))
        elif action < 0.65:
            log.close()
            if kind == "local":  # torn in the middle of a line when the worker died
                with (tmp_path / "run" / METRICS_FILE).open("a") as stream:
                    stream.write('{"step": 1, "lo')
                look()
            step = chance.randint(0, step)
            log = MetricsLog(storage, step)
        else:
            look()
    log.close()


def test_a_long_file_is_read_from_where_it_was(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    write_steps(storage, range(1, 501))
    tail = MetricsTail(storage)
    assert len(tail.new()[0]) == 500
    log = MetricsLog(storage, 500)
    log.append(metrics(501))
    read: list[int] = []
    read_all = tail._content

    def counted(start: int) -> bytes:
        content = read_all(start)
        read.append(len(content))
        return content

    tail._content = counted  # type: ignore[method-assign]
    assert tail.new() == ([metrics(501)], False)
    assert sum(read) < 1000  # two lines


def test_the_state_of_a_run() -> None:
    state = RunState(100)
    assert state.values() == {}
    state.add([metrics(step, step_s=0.5, evaluation_loss=3.0 if step == 4 else None) for step in range(1, 20)])
    state.add([metrics(20, step_s=60.0)])  # one step that waited for a checkpoint
    assert state.values() == {
        "step": 20,
        "steps": 100,
        "loss": 0.1,
        "evaluation_loss": 3.0,
        "lr": 1e-3,
        "grad_norm": 0.5,
        "tokens_per_s": 15,
        "fill": 0.9,
        "remaining_s": 40,
    }
    state.add([metrics(step, step_s=2.0) for step in range(21, 71)])
    assert state.remaining_s == 60.0  # the newest 50 steps


def test_restarts_are_counted_but_not_the_beginning_from_a_checkpoint() -> None:
    earlier = [metrics(step) for step in range(1, 8)]
    state = RunState(20, earlier)
    state.add(earlier[:5], rewritten=True)  # the workers start from the checkpoint of step 5
    state.add([metrics(6)])
    assert state.restarts == 0
    state.add(earlier[:5], rewritten=True)
    assert state.restarts == 1
    state.add([], rewritten=True)  # nothing trained in between: a second worker died in the same restart
    assert state.restarts == 1
    assert state.values() == {}


def test_without_a_terminal_the_first_and_last_step_are_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOCAL_INTERVAL_S", 0.02)
    monkeypatch.setattr(progress, "console", lambda: Console(file=io.StringIO()))
    storage = Storage(str(tmp_path))
    write_steps(storage, range(1, 4))  # of an earlier call
    with caplog.at_level(logging.INFO, "octupus"), followed(storage, "my-run", 9):
        log = MetricsLog(storage, 3)
        for step in range(4, 10):
            log.append(metrics(step))
            time.sleep(0.1 if step == 4 else 0.0)
        log.close()
    shown = [message for message in caplog.messages if message.startswith("train.progress ")]
    assert [message.split()[1:4] for message in shown] == [
        ["run=my-run", "step=4", "steps=9"],
        ["run=my-run", "step=9", "steps=9"],
    ]


def test_a_terminal_shows_bar_and_numbers_and_no_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(progress, "LOCAL_INTERVAL_S", 0.02)
    monkeypatch.setattr(progress, "console", lambda: Console(file=screen, force_terminal=True, width=120))
    storage = Storage(str(tmp_path))
    with caplog.at_level(logging.INFO, "octupus"), followed(storage, "my-run", 9):
        write_steps(storage, range(1, 4))
        time.sleep(0.5)  # rich draws four times a second
    for part in ("my-run", "3/9", "0:00:03 left", "loss 0.6667", "lr 1.00e-03", "1,800 tokens/s", "fill 90.0%"):
        assert part in screen.getvalue()
    assert caplog.messages == []


def test_storage_that_cannot_be_read_is_logged_and_not_raised(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / METRICS_FILE).mkdir()
    with caplog.at_level(logging.INFO, "octupus"), followed(Storage(str(tmp_path)), "my-run", 9):
        pass
    assert "train.progress_unreadable" in caplog.text
