"""Answer files of StableToolBench, ToolBench and ours, as ToolEval reads them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from octupus.agent.judge.converted import read_answers
from octupus.agent.judge.hallucination import hallucinations
from octupus.agent.solve.answer_format import write_answer
from octupus.agent.solve.tree import SearchNode, Solution
from octupus.errors import EvaluationError

EXAMPLE = "corpora/stabletoolbench/data_example"


@pytest.mark.parametrize("name", ["virtual_chatgpt_cot", "virtual_chatgpt_dfs"])
def test_stabletoolbench_files_give_what_its_converted_ones_do(shared: Callable[[str], Path], name: str) -> None:
    ours = read_answers(shared(f"{EXAMPLE}/answer/{name}/G1_instruction"))
    theirs = read_answers(shared(f"{EXAMPLE}/model_predictions_converted/{name}/G1_instruction.json"))
    assert ours
    for query_id, answer in ours.items():
        other = theirs[query_id]
        assert (answer.query, answer.final_answer, answer.finished) == (other.query, other.final_answer, other.finished)
        assert [step.name for step in answer.calls] == [step.name for step in other.calls]
        assert answer.tool_names == other.tool_names


@pytest.mark.parametrize("name", ["G1_answer", "G2_answer", "G3_answer"])
def test_toolbench_files_are_read(shared: Callable[[str], Path], name: str) -> None:
    directory = shared(f"corpora/toolbench/answer/{name}")
    answers = read_answers(directory)
    assert len(answers) == len(list(directory.glob("*.json")))
    assert hallucinations(answers.values()).calls > 0


def solution(query_id: str = "1", method: str = "CoT@1") -> Solution:
    return Solution("What?", query_id, method, [SearchNode(0)], [], state={"bank": {"a": 1}})


def test_our_files_keep_the_state(tmp_path: Path) -> None:
    write_answer(tmp_path, solution())
    (answer,) = read_answers(tmp_path).values()
    assert (answer.state, answer.finished, answer.final_answer) == ({"bank": {"a": 1}}, False, "")


def test_two_answers_to_a_query_broken_files_and_empty_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="holds no answer files"):
        read_answers(tmp_path)
    path = write_answer(tmp_path, solution())
    write_answer(tmp_path, solution(method="DFS_woFilter_w2"))
    with pytest.raises(EvaluationError, match=r"two answers to query 1, by CoT@1 and DFS_woFilter_w2"):
        read_answers(tmp_path)
    shutil.copy(path, tmp_path / "2_CoT@1.json")
    path.write_text(json.dumps({"win": True}))
    with pytest.raises(EvaluationError, match="1_CoT@1"):
        read_answers(tmp_path)
