import re
from collections.abc import Sequence
from pathlib import Path

from octupus.train.checkpoint.storage import Storage
from octupus.train.watch.metrics import MetricsLog, StepMetrics
from octupus.train.watch.report import POINTS, REPORT_FILE, write_report
from tests.train.steps import metrics


def report(directory: Path, steps: Sequence[StepMetrics], error: str | None = None) -> str:
    storage = Storage(str(directory))
    log = MetricsLog(storage, 0)
    for step in steps:
        log.append(step)
    log.close()
    write_report(storage, "run <1>", error)
    return (directory / REPORT_FILE).read_text("utf-8")


def summary(html: str) -> dict[str, str]:
    return dict(re.findall(r"<tr><td>(.*?)</td><td[^>]*>(.*?)</td></tr>", html))


def test_the_summary_of_a_run(tmp_path: Path) -> None:
    steps = [metrics(step, evaluation_loss=abs(step - 20) + 1.0 if step % 10 == 0 else None) for step in range(1, 31)]
    html = report(tmp_path, steps)
    assert summary(html) == {
        "steps": "30",
        "epochs": "3",
        "workers": "1",
        "first loss": "2",
        "last loss": "0.06667",
        "last held-out loss": "11",
        "best held-out loss (step 20)": "1",
        "tokens": "27,000",
        "trained tokens": "1,200",
        "tokens a second (median step)": "1,800",
        "fill of packs": "90.0%",
        "peak memory of a worker": "1.00 GiB",
        "time of all steps": "0:00:15",
        "time in data": "2.0%",
        "time in forward": "20.0%",
        "time in backward": "40.0%",
        "time in optimizer": "10.0%",
        "time in save": "0.0%",
        "time in other": "28.0%",
    }
    assert html.count("<svg") == 5
    assert "run &lt;1&gt;" in html
    assert "Stopped" not in html


def test_a_run_that_failed_after_its_workers_became_fewer(tmp_path: Path) -> None:
    steps = [metrics(1, mfu=0.25, workers=4), metrics(2, mfu=0.35, workers=2, loss=float("nan"))]
    html = report(tmp_path, steps, "the loss is nan in step 2, packs <3>")
    assert html.index("the loss is nan in step 2, packs &lt;3&gt;") < html.index("Summary")
    assert summary(html)["MFU (median step)"] == "30.0%"
    assert summary(html)["workers"] == "2 to 4"
    assert "held-out" not in html
    assert html.count("<svg") == 5


def test_a_run_that_never_stepped_still_has_a_report(tmp_path: Path) -> None:
    html = report(tmp_path, [], "no workers")
    assert "no workers" in html
    assert "No step was done" in html
    storage = Storage("mock:///")
    write_report(storage, "run")
    assert b"No step was done" in (storage.read(REPORT_FILE) or b"")


def test_a_long_run_has_a_small_page(tmp_path: Path) -> None:
    steps = [metrics(step, loss=8.0 if step == 3777 else 2.0 + step % 7 / 10) for step in range(1, 5001)]
    html = report(tmp_path, steps)
    assert len(html) < 1_000_000
    longest = max(len(re.findall("[ML]", path)) for path in re.findall(r' d="(.*?)"', html, re.DOTALL))
    assert longest <= POINTS
