"""What the harness wrote, and what of it may not be scored."""

import json
from pathlib import Path
from typing import Any

import pytest

from octupus.errors import EvaluationError
from octupus.evaluate.bfcl.outcomes import read_outcomes
from octupus.evaluate.bfcl.results import discard_failed, faults_of, read_results


def write_lines(file: Path, rows: list[Any], end: str = "") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows) + end)


def answered(item_id: str, result: Any, latency: Any = 0.5) -> dict[str, Any]:
    return {
        "id": item_id,
        "result": result,
        "input_token_count": 10,
        "output_token_count": [[3], [4]],
        "latency": latency,
    }


def failed(item_id: str, message: str) -> dict[str, Any]:
    return {"id": item_id, "result": f"Error during inference: {message}", "traceback": "Traceback ..."}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One run, interrupted in a line."""
    results = tmp_path / "result" / "octupus-FC"
    write_lines(
        results / "non_live" / "BFCL_v4_simple_python_result.json",
        [
            answered("simple_python_0", [{"f": '{"a": 1}'}]),
            answered("simple_python_1", [{"f": '{"a": '}]),
            failed("simple_python_2", "Connection error."),
            answered("simple_python_3", "Error during inference is what you ask of"),
        ],
        end='{"id": "simple_python_4", "resu',
    )
    turns = [[[{"f": "{}"}], "done"], [[{"g": "[]"}], "done"]]
    write_lines(
        results / "multi_turn" / "BFCL_v4_multi_turn_base_result.json",
        [answered("multi_turn_base_0", turns, [[0.5, 0.25], [0.25]])],
    )
    return tmp_path


def test_faults_are_told_apart_from_answers(root: Path) -> None:
    results = read_results(root)
    assert list(results) == ["multi_turn_base_0", *(f"simple_python_{number}" for number in range(4))]
    multi_turn = results["multi_turn_base_0"]
    assert (multi_turn.requests, multi_turn.latency_s, multi_turn.output_tokens) == (3, 1.0, 7)
    wanted = {"simple_python": ["simple_python_0", "simple_python_4"], "multi_turn_base": None}
    faults = faults_of(results, wanted)
    assert faults.failed == {"simple_python_2": "Connection error."}
    assert set(faults.unreadable) == {"simple_python_1", "multi_turn_base_0"}
    assert len(faults.missing) == 1 + 199


def test_what_failed_and_what_was_cut_off_is_asked_again(root: Path) -> None:
    before = read_results(root)
    assert discard_failed(root) == 2
    assert read_results(root) == {id: result for id, result in before.items() if result.error is None}
    assert discard_failed(root) == 0


def test_verdicts_are_the_harnesss_own_and_must_add_up(root: Path) -> None:
    score = root / "score" / "octupus-FC" / "non_live" / "BFCL_v4_simple_python_score.json"
    wrong = {"id": "simple_python_1", "valid": False, "error": ["Invalid syntax."]}
    write_lines(score, [{"accuracy": 0.75, "correct_count": 3, "total_count": 4}, wrong])
    results = read_results(root)
    outcomes = read_outcomes(root, ["simple_python"], results)
    assert [(outcome.id[-1], outcome.right) for outcome in outcomes] == [
        ("0", True),
        ("1", False),
        ("2", True),
        ("3", True),
    ]
    assert outcomes[1].verdict == wrong
    with pytest.raises(EvaluationError, match="0 score files of multi_turn_base"):
        read_outcomes(root, ["multi_turn_base"], results)
    write_lines(score, [{"accuracy": 1, "correct_count": 4, "total_count": 4}, wrong])
    with pytest.raises(EvaluationError, match="4 of 4 right, its files hold 3 of 4"):
        read_outcomes(root, ["simple_python"], results)
