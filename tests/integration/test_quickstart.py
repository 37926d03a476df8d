"""The whole line, small: corpora, model, vocabulary, data, two stages, vLLM, questions, report."""

import socket
from pathlib import Path

import pytest

from .conftest import SmallQuickstart, run_quickstart

pytestmark = pytest.mark.timeout(900)


def test_every_request_is_answered_and_every_constrained_call_is_valid(small_quickstart: SmallQuickstart) -> None:
    report = small_quickstart.report
    assert report["requests"] == 20
    assert report["failed_requests"] == 0
    assert report["passes"]["constraint on"]["calls"] > 0, "the model calls no tool, so validity says nothing"
    assert report["valid_calls_constrained"] == 1
    assert (
        report["passes"]["constraint on, streamed"]["valid_calls"]
        == report["passes"]["constraint on, streamed"]["calls"]
    )
    assert report["valid_calls_unconstrained"] is None or 0 <= report["valid_calls_unconstrained"] <= 1
    assert "constraint on" in small_quickstart.output


def test_both_stages_learn(small_quickstart: SmallQuickstart) -> None:
    for stage in ("stage1_loss", "stage2_loss"):
        assert small_quickstart.report[stage]["last"] < small_quickstart.report[stage]["first"]


def test_no_row_is_lost(small_quickstart: SmallQuickstart) -> None:
    for sources in small_quickstart.report["sources"].values():
        for counts in sources.values():
            assert counts["in"] == counts["kept"] + sum(counts["dropped"].values())
            assert counts["dropped"], "the synthetic corpora hold bad rows on purpose"


def test_the_page_stands_alone(small_quickstart: SmallQuickstart) -> None:
    page = (small_quickstart.directory / "report.html").read_text()
    assert page.count("<svg") >= 2
    assert page.count("<pre>") == 3
    assert "<script" not in page
    assert 'src="http' not in page


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--corpus", "/nowhere/corpus.json"], "corpus /nowhere/corpus.json does not exist"),
        (["--corpus", "README.md"], "README.md"),
    ],
)
def test_bad_corpora_end_with_one_line(tmp_path: Path, arguments: list[str], expected: str) -> None:
    answer = run_quickstart(Path("jobs/quickstart").absolute(), "--directory", str(tmp_path / "run"), *arguments)
    assert answer.returncode == 2
    last = answer.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert expected in last
    assert "Traceback" not in answer.stderr


def test_a_port_in_use_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        answer = run_quickstart(
            Path("jobs/quickstart").absolute(), "--directory", str(tmp_path / "run"), "--port", str(port)
        )
    assert answer.returncode == 2
    assert f"port {port} is in use" in answer.stderr
    assert not (tmp_path / "run" / "base").exists()
