"""StableToolBench's result files, read and counted again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octupus.agent.judge.pass_rate import pass_rate, solve_rate
from octupus.agent.judge.stored_results import read_answer_votes, read_preference_votes
from octupus.agent.judge.win_rate import win_rate
from octupus.errors import EvaluationError

EXAMPLE = "corpora/stabletoolbench/data_example"
COT, DFS = "virtual_chatgpt_cot", "virtual_chatgpt_dfs"


def test_stabletoolbench_solve_rate_comes_out_of_its_votes(shared: Callable[[str], Path]) -> None:
    path = shared(f"{EXAMPLE}/pass_rate_results/{DFS}/G1_instruction_{DFS}.json")
    votes = read_answer_votes(path)
    solved = solve_rate(votes, 3)
    worth = {"AnswerStatus.Solved": 1, "AnswerStatus.Unsure": 0.5, "AnswerStatus.Unsolved": 0}
    raw = json.loads(path.read_text())
    runs = [sum(worth[row["is_solved"][str(run)]] for row in raw.values()) / len(raw) for run in range(3)]
    assert solved.runs == pytest.approx(runs)
    assert (solved.rate.mean, solved.std, solved.missing, len(votes)) == (1.0, 0.0, 0, 3)
    assert pass_rate(votes, "pass", 0).rate.mean == 1


def test_stabletoolbench_preferences_come_out_of_their_votes(shared: Callable[[str], Path]) -> None:
    path = shared(f"{EXAMPLE}/preference_results/G1_instruction_{COT}_{DFS}.json")
    won = win_rate(read_preference_votes(path, DFS, COT))
    lost = win_rate(read_preference_votes(path, COT, DFS))
    assert won.outcomes == {"588": "win", "608": "win", "1073": "win"}
    assert set(lost.outcomes.values()) == {"lose"}
    with pytest.raises(EvaluationError, match="no count of votes for 'nobody'"):
        read_preference_votes(path, "nobody", COT)


def results(path: Path, **queries: Any) -> Path:
    path.write_text(json.dumps(queries))
    return path


def test_other_votes_in_the_same_form(tmp_path: Path) -> None:
    solved, unsure, unsolved = (f"AnswerStatus.{status}" for status in ("Solved", "Unsure", "Unsolved"))
    path = results(
        tmp_path / "votes.json",
        a={"is_solved": {"1": unsure, "0": solved}},
        b={"is_solved": {"0": unsolved, "1": unsolved}},
        c={"is_solved": {"1": solved}},
    )
    found = solve_rate(read_answer_votes(path), 2)
    assert (found.runs, found.missing) == ([0.5, 0.5], 1)
    assert found.rate.mean == pytest.approx((0.75 + 0 + 1) / 3)
    rounds = {f"round_{number}": "complete" for number in range(3)}
    path = results(tmp_path / "preferences.json", a={"x": 1, "y": 1, **rounds}, b={"x": 2, "y": 0, **rounds})
    votes = read_preference_votes(path, "x", "y")
    assert [len(cast) for cast in votes.values()] == [3, 3]
    assert win_rate(votes).outcomes == {"a": "tie", "b": "win"}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({}, "query a has no is_solved"),
        ({"is_solved": {"0": "Solved"}}, r"is_solved\[0\] is 'Solved'"),
        ({"is_solved": {"x": "AnswerStatus.Solved"}}, "is_solved"),
    ],
)
def test_what_is_no_result(tmp_path: Path, entry: dict[str, Any], told: str) -> None:
    with pytest.raises(EvaluationError, match=told):
        read_answer_votes(results(tmp_path / "votes.json", a=entry))
