"""The unmodified BFCL harness in its own environment: against an oracle, and against one that fails in every way."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from octupus.config import resolve
from octupus.errors import EvaluationError
from octupus.evaluate.bfcl.compare import compare
from octupus.evaluate.bfcl.config import EvaluateBfclConfig
from octupus.evaluate.bfcl.environment import environment
from octupus.evaluate.bfcl.published import read_published
from octupus.evaluate.bfcl.run import evaluate_bfcl
from octupus.evaluate.bfcl.watching import GaveUpError
from octupus.evaluate.bfcl.weights import WEIGHTS

from ..bfcl_oracle import Failure, Kind, Selection, oracle

pytestmark = pytest.mark.timeout(900)  # the first test may have to make the harness's environment

ROOT = Path(__file__).parents[2]
ENVIRONMENT = Path("~/.cache/octupus/bfcl").expanduser()
PORT = 8571
IDS = [
    *(f"{category}_{number}" for category in ("simple_python", "multiple", "parallel") for number in range(4)),
    *(f"parallel_multiple_{number}" for number in range(4)),
    *(f"simple_java_{number}" for number in range(3)),
    *(f"simple_javascript_{number}" for number in range(3)),
    *(f"irrelevance_{number}" for number in range(4)),
    *(f"multi_turn_base_{number}" for number in range(3)),
]


@pytest.fixture(scope="module")
def data() -> Path:
    """The benchmark's items, in the harness's own package."""
    python = environment(ENVIRONMENT, with_vectors=False)
    return next(python.parents[1].glob("lib/python3.*/site-packages/bfcl_eval/data"))


def config(output: Path, ids: Sequence[str] = IDS, **changes: Any) -> EvaluateBfclConfig:
    endpoint = {"base_url": f"http://127.0.0.1:{PORT}/v1", "timeout_s": 4, "retries": 0}
    values = {"output": output, "endpoint": endpoint, "ids": ids, "environment": ENVIRONMENT}
    return resolve(EvaluateBfclConfig, values | changes)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_the_oracle_is_right_everywhere(data: Path, tmp_path: Path, api: str) -> None:
    with oracle(data, port=PORT):
        run = evaluate_bfcl(config(tmp_path / "run", api=api))
    assert run.right == dict.fromkeys(run.right, True)
    assert sorted(run.right) == sorted(IDS)
    assert (run.failed, run.unreadable, run.absent) == (0, 0, 0)
    assert run.reweighted.value == 1
    assert run.overall.value == pytest.approx(0.1 + 0.05 + WEIGHTS["Multi Turn"] / 4)
    assert run.requests > len(IDS)
    assert run.input_tokens > 0
    assert read_published(tmp_path / "run") == run
    assert "none" in (tmp_path / "run" / "report.html").read_text()


KINDS = ["500", "broken-arguments", "silence", "reset"]
"""Ways to fail; `make soak` has those that the harness sees in the same way as one of these."""


@pytest.mark.parametrize("kind", KINDS)
def test_no_score_is_published_of_what_failed(data: Path, tmp_path: Path, kind: str) -> None:
    # The probe of the endpoint is no item, and gets through. Where nothing is called, a failure would count as right.
    failures = [Failure(Kind(kind), Selection.parse("irrelevance_1,simple_python_1"))]
    asked = config(tmp_path / "run", ["irrelevance_0", "irrelevance_1", "simple_python_1"], give_up_after=3)
    with oracle(data, failures, port=PORT):
        with pytest.raises(EvaluationError, match=r"no score is published: [12] items") as refused:
            evaluate_bfcl(asked)
        said = "arguments are no JSON" if kind == "broken-arguments" else "failed in inference"
        assert said in str(refused.value)
        assert not (tmp_path / "run" / "scores.json").exists()
        if kind in ("500", "broken-arguments"):
            run = evaluate_bfcl(asked.model_copy(update={"allow_errors": True}))
            assert (run.failed, run.unreadable) == ((2, 0) if kind == "500" else (0, 2))
            # This is what the refusal is for.
            assert run.right["irrelevance_1"]
    if kind == "500":
        with oracle(data, port=PORT):
            assert all(evaluate_bfcl(asked).right.values())


def test_an_endpoint_that_fails_all_along_is_given_up(data: Path, tmp_path: Path) -> None:
    asked = config(tmp_path / "run", (), categories=["irrelevance"], give_up_after=5, threads=2)
    with (
        oracle(data, [Failure(Kind("400"), Selection.parse("1"))], port=PORT),
        pytest.raises(GaveUpError, match="kept"),
    ):
        evaluate_bfcl(asked)
    with pytest.raises(EvaluationError, match="nothing answers"):
        evaluate_bfcl(asked)


def test_a_server_that_is_always_busy_is_given_up(data: Path, tmp_path: Path) -> None:
    asked = config(tmp_path / "run", ["irrelevance_0", "simple_python_1"], stalled_after_s=15)
    busy = Failure(Kind("429"), Selection.parse("irrelevance_0"))
    with oracle(data, [busy], port=PORT), pytest.raises(GaveUpError, match="no item ended for 15 s"):
        evaluate_bfcl(asked)
    assert not (tmp_path / "run" / "scores.json").exists()


def test_a_killed_run_goes_on_and_two_runs_are_compared(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    command = [sys.executable, ROOT / "jobs" / "evaluate_bfcl.py", "--output", output, "--categories", "[parallel]"]
    command += ["--endpoint.base_url", f"http://127.0.0.1:{PORT}/v1", "--environment", ENVIRONMENT, "--threads", "1"]
    results = output / "bfcl" / "result" / "octupus-FC" / "non_live" / "BFCL_v4_parallel_result.json"
    with oracle(data, port=PORT):
        process = subprocess.Popen([str(part) for part in command], start_new_session=True)
        while not results.is_file() or results.read_text().count("\n") < 5:
            assert process.poll() is None
            time.sleep(0.02)
        harness = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
        process.kill()
        process.wait()
        while Path(f"/proc/{harness}").exists():  # it ends by itself
            time.sleep(0.02)
        answered = [
            json.loads(line)["id"] for line in results.read_text().splitlines(keepends=True) if line[-1] == "\n"
        ]
        assert 5 <= len(answered) < 200
        subprocess.run([str(part) for part in command], check=True)
    first = read_published(output)
    assert len(first.right) == 200
    assert all(first.right.values())
    lines = [json.loads(line)["id"] for line in results.read_text().splitlines()]
    assert sorted(lines) == sorted(set(lines))
    worse = tmp_path / "worse"
    with oracle(data, [Failure(Kind("broken-arguments"), Selection.parse("parallel_3"))], port=PORT):
        evaluate_bfcl(config(worse, [f"parallel_{number}" for number in range(6)], allow_errors=True))
    assert compare(first, read_published(worse)).overall.lost == ("parallel_3",)
    shown = subprocess.run(
        [Path(sys.executable).with_name("octupus"), "evaluate", "compare", output, worse],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "lost: parallel_3" in shown.stdout
