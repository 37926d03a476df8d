"""Answer files: nothing is lost, ToolBench's own are read, and what ToolEval reads is what its own converter makes."""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octupus.agent.solve.answer_format import (
    OWN_KEY,
    answer_of,
    converted,
    converted_answers,
    file_name,
    read_answer,
    read_answers,
    solution_of,
    write_answer,
)
from octupus.agent.solve.exact_record import to_record
from octupus.agent.solve.finish import FINISH, FINISH_TOOL
from octupus.agent.solve.toolbench_layout import answer_file, train_messages
from octupus.agent.solve.tree import Made, SearchNode, Solution, Vote
from octupus.agent.tools.status import Status
from octupus.conversation import FunctionCall, ToolCall
from octupus.errors import CorpusError
from tests.agent.in_process_source import tool

ANSWERS = ("corpora/toolbench/answer", "corpora/stabletoolbench/data_example/answer")
TEXTS = st.text(max_size=8)
STATUSES = [Status.OK, Status.UNKNOWN_TOOL, Status.BAD_INPUT, Status.TOOL_ERROR, Status.TIMEOUT, Status.REQUEST_ERROR]


@st.composite
def calls_made(draw: st.DrawFn, number: int) -> list[Made]:
    made = []
    for position in range(draw(st.integers(0, 3))):
        function = FunctionCall(name=draw(st.sampled_from(["add", "nope"])), arguments=draw(TEXTS))
        call = ToolCall(id=f"{number}.{position}", function=function)
        made.append(Made(call, draw(st.sampled_from(STATUSES)), draw(TEXTS), ran=draw(st.integers(0, 4)) > 0))
    return made


@st.composite
def solutions(draw: st.DrawFn) -> Solution:
    """Any tree that a solver could have grown."""
    search = draw(st.booleans())
    solution = Solution(draw(TEXTS), draw(TEXTS), "DFS_woFilter_w2" if search else "CoT@3", [], [])
    open_nodes: list[SearchNode] = []
    number = 0
    for _ in range(draw(st.integers(0, 8))):
        if not solution.roots or (not search and not open_nodes):
            root = SearchNode(number)
            solution.roots.append(root)
            open_nodes = [root]
            number += 1
            continue
        if not open_nodes:
            break
        parent = draw(st.sampled_from(open_nodes)) if search else open_nodes[0]
        node = SearchNode(number, parent, draw(st.none() | TEXTS), draw(calls_made(number)))
        number += 1
        parent.children.append(node)
        node.diversity = len(parent.children) > 1
        end = draw(st.sampled_from(["", "", "", "answer", "give_up", "prune", "fail"]))
        if end in ("answer", "give_up"):
            node.finish = "give_answer" if end == "answer" else "give_up_and_restart"
            node.final_answer = draw(TEXTS)
            arguments = json.dumps({"return_type": node.finish, "final_answer": node.final_answer})
            call = ToolCall(id="end", function=FunctionCall(name=FINISH, arguments=arguments))
            status = Status.ANSWERED if end == "answer" else Status.GAVE_UP
            node.made.insert(draw(st.integers(0, len(node.made))), Made(call, status, "ended"))
            if end == "answer":
                solution.answers.append(node)
        elif end == "prune":
            node.pruned, node.why_pruned = True, draw(st.sampled_from(["max_step", "loop", "no_call", "broke_off"]))
        elif end == "fail":
            node.pruned, node.why_pruned, node.failure, node.content, node.made = (
                True,
                "endpoint",
                "timeout: x",
                None,
                [],
            )
        if not node.failure:
            node.depth = parent.depth + int(node.spoken) + 2 * len(node.executed)
        node.tokens_in, node.tokens_out, node.seed = (
            draw(st.integers(0, 99)),
            draw(st.integers(0, 99)),
            draw(st.integers(0, 9)),
        )
        node.score = draw(st.none() | st.floats(0, 3))
        if search:
            open_nodes += [node] if not end else []
            open_nodes = [each for each in open_nodes if len(each.children) < 2]
        else:
            open_nodes = [] if end else [node]
    solution.tools = (tool("add", amount="integer"), FINISH_TOOL)
    solution.system_prompt = draw(TEXTS)
    solution.settings = {"single_chain_max_step": 12, "max_query_count": 60, "answer": 1, "back_up": 2}
    solution.query_count = len(solution.nodes)
    solution.tokens_in, solution.tokens_out = draw(st.integers(0, 999)), draw(st.integers(0, 999))
    solution.stopped = draw(st.sampled_from(["", "query_budget", "endpoint: timeout"]))
    solution.retries = draw(st.dictionaries(st.sampled_from(["timeout"]), st.integers(1, 3)))
    solution.state = draw(st.dictionaries(TEXTS, st.integers()))
    solution.votes = [Vote(1, 2, draw(st.none() | st.just(2)), 7, 3, 1)]
    return solution


@given(solutions())
def test_nothing_is_lost(solution: Solution) -> None:
    text = json.dumps(answer_of(solution))
    again = solution_of(json.loads(text))
    assert to_record(again) == to_record(solution)
    assert json.dumps(answer_of(again)) == text
    for node in again.nodes:
        assert node in node.parent.children
    assert [node.number for node in again.answers] == [node.number for node in solution.answers]


@given(solutions())
def test_toolbenchs_layout_alone_tells_the_same_tree(solution: Solution) -> None:
    """Without the key of our own: what ToolBench's form has a place for comes back from it."""
    value = {key: item for key, item in answer_of(solution).items() if key != OWN_KEY}
    if not solution.roots:
        return
    if "tree" not in value:  # a chain's messages are not marked, so that only its calls are compared
        again = solution_of(value, solution.query_id, solution.method)
        assert [_ran(root) for root in again.roots] == [_ran(root) for root in solution.roots]
        return
    again = solution_of(value, solution.query_id, solution.method)
    assert _plain(answer_file(again)["tree"]) == _plain(value["tree"])
    assert (again.query, again.win, again.query_count) == (solution.query, solution.win, solution.query_count)
    assert [function.function for function in again.tools] == [function.function for function in solution.tools]


def _ran(root: SearchNode) -> list[tuple[str, str, Status, str]]:
    return [
        (made.call.function.name, made.call.function.arguments, made.status, made.text)
        for node in root.walk()
        for made in node.executed
    ]


@given(solutions())
def test_the_layout_counts_what_it_holds(solution: Solution) -> None:
    value = answer_of(solution)
    assert value["win"] == bool(solution.answers)
    if "tree" not in value or not solution.roots:
        assert value.get("try_count", 0) == len(solution.roots)
        return
    steps = list(_steps(value["tree"]["tree"], 0))
    assert value["tree"]["size"] == len(steps)
    assert value["tree"]["max_length"] == 1 + max(depth for depth, _ in steps)
    assert all(step["depth"] == depth and step["child_count"] == len(step["children"]) for depth, step in steps)
    assert len(value["compare_candidates"]) == len(solution.answers)
    for candidate, answer in zip(value["compare_candidates"], solution.answers, strict=True):
        assert [step["depth"] for step in candidate] == list(range(1, answer.depth + 1))
        assert candidate[-1]["finished"]
        assert candidate[-1]["observation_code"] == Status.ANSWERED


def _steps(step: dict[str, Any], depth: int) -> Iterator[tuple[int, dict[str, Any]]]:
    yield depth, step
    for child in step["children"]:
        yield from _steps(child, depth + 1)


@given(solutions())
def test_the_converted_form_tells_the_chain_that_counts(solution: Solution) -> None:
    value = converted(solution)
    chain = []
    following = value["answer"]["answer_details"]
    while following:
        (step,) = following
        chain.append((step["role"], step["message"]))
        following = step["next"]
    assert value["answer"]["total_steps"] == len(chain)
    assert chain[:2] == [("system", ""), ("user", solution.query)]
    final = solution.final
    ran = [made for node in (final.path() if final else []) for made in node.executed]
    called = [message for role, message in chain if role == "tool"]
    assert [(each["name"], each["arguments"]) for each in called] == [
        (made.call.function.name, made.call.function.arguments) for made in ran
    ]
    if solution.win:
        assert called[-1]["name"] == FINISH
        assert json.loads(value["answer"]["final_answer"])["final_answer"] == final.final_answer


@given(solutions())
def test_training_messages_grow_by_a_call_or_a_thought(solution: Solution) -> None:
    if solution.final is None:
        return
    lists = train_messages(solution, solution.final)
    assert len(lists) == sum(max(len(node.executed), 1) for node in solution.final.path())
    for shorter, longer in pairwise(lists):
        assert longer[: len(shorter)] == shorter
        assert longer[-1]["role"] == "assistant"


def test_a_file_is_written_whole_and_read_back(tmp_path: Path) -> None:
    root = SearchNode(0)
    node = SearchNode(1, root, content="half a character \ud800", depth=1)
    root.children.append(node)
    solution = Solution("?", "a/b_c", "CoT@1", [root], [])
    path = write_answer(tmp_path / "answers", solution)
    assert path.name == "a%2Fb_c_CoT@1.json"
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    (again,) = read_answers(path.parent)
    assert to_record(again) == to_record(solution)


@given(st.lists(st.text(), min_size=2, max_size=2, unique=True))
def test_ids_and_files_go_together(ids: list[str]) -> None:
    names = [file_name(each, "CoT@1") for each in ids]
    assert names[0] != names[1]
    for name in names:
        assert "/" not in name
        assert not name.startswith(".")
        assert len(name.encode()) < 200


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"answer_generation": {}}', '{"octupus": {"version": 99}}', '{"octupus": 3}']
)
def test_what_is_no_answer_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "7_CoT@1.json"
    path.write_text(text)
    with pytest.raises(CorpusError, match=r"7_CoT@1\.json"):
        read_answer(path)


def real_files(shared: Callable[[str], Path]) -> list[Path]:
    return [path for name in ANSWERS for path in sorted(shared(name).rglob("*.json"))]


def test_toolbenchs_own_files_come_back_as_they_were(shared: Callable[[str], Path]) -> None:
    """Read into a solution and laid out again: the same tree, marks, sizes, chains and answers."""
    files = real_files(shared)
    assert len(files) > 10
    for path in files:
        solution, value = read_answer(path), json.loads(path.read_bytes())
        again = json.loads(json.dumps(answer_file(solution)))
        assert again["win"] == value["win"]
        assert again["forward_args"] == value["forward_args"]
        assert _plain(again.get("tree")) == _plain(value.get("tree"))
        assert _plain(again["compare_candidates"]) == _plain(value["compare_candidates"])
        # A try's `win` is written by ToolBench before it is known.
        assert [_plain(each["chain"]) for each in again.get("trys", [])] == [
            _plain(each["chain"]) for each in value.get("trys", [])
        ]
        theirs, ours = value["answer_generation"], again["answer_generation"]
        for key in ("valid_data", "final_answer", "query_count", "total_tokens", "function", "chain", "query"):
            assert ours[key] == theirs[key], (path, key)
        assert ours.get("finish_type") == theirs.get("finish_type")
        assert len(solution.nodes) == solution.query_count
        assert _expanded(again) == _expanded(value)
        assert set(ours) == set(theirs)
        assert solution.query_id == path.name.partition("_")[0]
        if solution.win and path.name != "15_ChatGPT_DFS_woFilter_w2.json":
            lengths = [[len(messages) for messages in each["train_messages"]] for each in (ours, theirs)]
            assert lengths[0] == lengths[1], path


def _expanded(value: Any) -> list[int]:
    steps = _steps(value["tree"]["tree"], 0) if "tree" in value else []
    return [step["expand_num"] for _, step in steps]


def _plain(value: Any) -> Any:
    """Without what ToolBench's versions differ in among themselves, and in what order nodes were expanded."""
    if isinstance(value, dict):
        left_out = ("Elo", "matching_time", "expand_num")
        return {key: _plain(item) for key, item in value.items() if key not in left_out}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def test_conversion_gives_what_stabletoolbenchs_gives(shared: Callable[[str], Path]) -> None:
    example = shared("corpora/stabletoolbench/data_example")
    compared = 0
    for theirs in sorted((example / "model_predictions_converted").rglob("*.json")):
        expected = json.loads(theirs.read_bytes())
        ours = converted_answers(example / "answer" / theirs.parent.name / theirs.stem)
        for query_id in ours.keys() & expected.keys():
            user = expected[query_id]["answer"]["answer_details"][0]["next"][0]
            assert user["role"] == "user"
            user["message"] = ours[query_id]["query"]  # the published example has it taken out
            assert ours[query_id] == expected[query_id]
            compared += 1
    assert compared >= 4


def test_our_own_names_are_told_from_toolbenchs(tmp_path: Path) -> None:
    for name, expected in {
        "10_ChatGPT_DFS_woFilter_w2.json": ("10", "DFS_woFilter_w2"),
        "1073_CoT@1.json": ("1073", "CoT@1"),
    }.items():
        value = answer_file(Solution("?", "", expected[1], [SearchNode(0)], [], settings={"single_chain_max_step": 12}))
        (tmp_path / name).write_text(json.dumps(value))
        solution = read_answer(tmp_path / name)
        assert (solution.query_id, solution.method) == expected
