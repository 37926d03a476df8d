"""`octupus evaluate`, as far as it needs no endpoint."""

from pathlib import Path

import pytest

from octupus.cli import main
from octupus.evaluate.bfcl.outcomes import Outcome
from octupus.evaluate.bfcl.published import published
from octupus.evaluate.bfcl.results import Faults

MEASURED = {"benchmark": "BFCL v4", "harness": "bfcl-eval 1", "model": "m"}


def write_run(directory: Path, right: int) -> Path:
    outcomes = [Outcome(f"multiple_{number}", "multiple", number < right) for number in range(9)]
    published(MEASURED, outcomes, {}, Faults({}, {}, []), 1.0).write(directory / "scores.json")
    return directory


def test_two_runs_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = write_run(tmp_path / "before", 5), write_run(tmp_path / "after", 7)
    assert main(["evaluate", "compare", str(before), str(after)]) == 0
    assert "gained: multiple_5, multiple_6" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "runs/one"], "compare wants two run directories"),
        (["compare", "nowhere", "nowhere"], "has no scores.json"),
        (["bfcl", "--output", "x", "--catgories", "live"], "did you mean 'categories'"),
        (["bfcl", "--output", "x", "--categories", "[live_simpel]"], "did you mean 'live_simple'"),
        (["bfcl", "--output", "x", "--ids", "[simple]"], "is no item of BFCL"),
    ],
)
def test_mistakes_are_said_in_a_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(["evaluate", *arguments])
    except SystemExit as error:  # the configuration's own way
        status = int(error.code or 0)
    assert status == 2
    assert message in capsys.readouterr().err
