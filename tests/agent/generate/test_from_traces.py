"""Solved queries as conversations: solved for real, executed once more, and counted when they do not hold."""

import asyncio
import copy
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from octupus.agent.environment import Environment
from octupus.agent.generate.config import TracesConfig
from octupus.agent.generate.from_traces import TraceCounts, conversations
from octupus.agent.generate.reasons import TraceDrop, TraceReason
from octupus.agent.generate.tasks import Outcome, Task
from octupus.agent.generate.traces_run import TRACES, write_traces
from octupus.agent.solve.answer_format import read_answer, write_answer
from octupus.agent.solve.config import SolverConfig
from octupus.agent.solve.finish import FINISH
from octupus.agent.solve.solver import solve
from octupus.agent.solve.tree import Solution
from octupus.agent.tools.config import ToolSourceConfig
from octupus.agent.tools.status import Status
from octupus.agent.tools.toolbox import Toolbox
from octupus.conversation import Conversation
from octupus.data.examine import Kept, Rules, examine
from octupus.data.quality import QualityConfig
from octupus.errors import ConfigError
from tests.agent.in_process_source import InProcessSource, tool
from tests.agent.scripted_endpoint import ScriptedEndpoint, answers, calls, gives_up, says

SEED = 5


def add(arguments: dict[str, Any], state: Any) -> Any:
    if arguments["amount"] > 100:
        raise ValueError("amount must be at most 100")
    state["total"] += arguments["amount"]
    return {"total": state["total"], "filling": "x" * 2000 if arguments["amount"] == 77 else ""}


def toolbox() -> Toolbox:
    source = InProcessSource.of(
        (tool("add", amount="integer"), add), initial=lambda seed: {"total": seed}, collection="sums"
    )
    return Toolbox([source])


async def fresh(solution: Solution) -> Environment | None:
    return None if solution.query_id == "unknown" else await Environment.open(toolbox(), SEED)


SCRIPTS: dict[str, list[dict[str, Any]]] = {
    "plain": [calls(("add", {"amount": 3})), answers("It is 8.")],
    "thinks": [says("Let me see."), calls(("add", {"amount": 4}), content="Adding."), answers("It is 9.")],
    "corrects": [calls(("add", {"amount": 500})), calls(("add", {"amount": 50})), answers("It is 55.")],
    "unknown tool": [calls(("subtract", {"amount": 1})), calls(("add", {"amount": 1})), answers("It is 6.")],
    "bad arguments": [calls(("add", {"much": 1})), calls(("add", {"amount": 2})), answers("It is 7.")],
    "parallel": [
        calls(
            ("add", {"amount": 1}),
            ("add", {"amount": 2}),
            (FINISH, {"return_type": "give_answer", "final_answer": "8"}),
        )
    ],
    "long result": [calls(("add", {"amount": 77})), answers("It is 82.")],
    "gives up": [calls(("add", {"amount": 1})), gives_up()],
    "no call": [answers("I know it: 5.")],
    "no JSON": [calls(("add", '{"amount": ')), calls(("add", {"amount": 1})), answers("It is 6.")],
    "ends in error": [calls(("add", {"amount": 1})), calls(("add", {"amount": 101})), answers("It failed.")],
    "unknown": [calls(("add", {"amount": 6})), answers("It is 11.")],
}


@pytest.fixture(scope="module")
def solved() -> dict[str, Solution]:
    def policy(messages: list[dict[str, Any]], tools: list[dict[str, Any]], seed: int) -> dict[str, Any]:
        steps = SCRIPTS[messages[1]["content"]]
        return copy.deepcopy(steps[sum(message["role"] == "assistant" for message in messages)])

    async def all_solved() -> dict[str, Solution]:
        client = endpoint.client()
        try:
            return {
                name: await solve(name, await Environment.open(toolbox(), SEED), client, SolverConfig(), query_id=name)
                for name in SCRIPTS
            }
        finally:
            await client.close()

    endpoint = ScriptedEndpoint(policy)
    try:
        return asyncio.run(all_solved())
    finally:
        endpoint.close()


def turned(*solutions: Solution | TraceDrop, **options: Any) -> tuple[list[Conversation], TraceCounts]:
    counts = TraceCounts()

    async def collected() -> list[Conversation]:
        return [made async for made in conversations(solutions, fresh, counts, **options)]

    return asyncio.run(collected()), counts


def one(solution: Solution, **options: Any) -> Conversation:
    (made,), _ = turned(solution, **options)
    return made


def reason(solution: Solution, **options: Any) -> TraceReason:
    made, counts = turned(solution, **options)
    assert not made
    (found,) = counts.dropped
    return found


def test_all_that_come_in_are_kept_or_dropped_for_a_reason(solved: dict[str, Solution]) -> None:
    made, counts = turned(*solved.values(), solved["plain"], TraceDrop(TraceReason.UNREADABLE, "x.json"))
    assert counts.read == len(SCRIPTS) + 2 == counts.kept + sum(counts.dropped.values())
    assert [each.meta["query_id"] for each in made] == list(SCRIPTS)[:7]
    assert counts.dropped == Counter(
        [
            TraceReason.NO_ANSWER,
            TraceReason.NO_CALL,
            TraceReason.UNREADABLE_ARGUMENTS,
            TraceReason.ENDS_IN_ERROR,
            TraceReason.UNKNOWN_QUERY,
            TraceReason.DUPLICATE,
            TraceReason.UNREADABLE,
        ]
    )


def test_finish_leaves_and_its_answer_stays(solved: dict[str, Solution]) -> None:
    for name in ("plain", "parallel", "thinks"):
        made = one(solved[name])
        assert FINISH not in {tool.function.name for tool in made.tools}
        called = [call.function.name for message in made.messages for call in message.tool_calls]
        assert set(called) == {"add"}
        assert (made.messages[-1].role, made.messages[-1].tool_calls) == ("assistant", ())
    assert one(solved["parallel"]).messages[-1].content == "8"
    assert one(solved["parallel"]).kind == "parallel"
    assert one(solved["plain"]).kind == "single"


def test_thoughts_stand_in_front_of_the_next_call(solved: dict[str, Solution]) -> None:
    made = one(solved["thinks"])
    assert [message.role for message in made.messages] == ["user", "assistant", "tool", "assistant"]
    assert made.messages[1].content == "Let me see.\n\nAdding."


def test_a_failed_call_is_not_trained_and_what_makes_up_for_it_is(solved: dict[str, Solution]) -> None:
    for name in ("corrects", "unknown tool", "bad arguments"):
        made = one(solved[name])
        assert [made.trained(place) for place in range(len(made.messages))] == [False, False, False, True, False, True]


def test_system_prompts_are_dropped_or_kept(solved: dict[str, Solution]) -> None:
    assert one(solved["plain"]).messages[0].role == "user"
    kept = one(solved["plain"], keep_system_prompt=True)
    assert kept.messages[0].content == solved["plain"].system_prompt


def test_what_is_kept_passes_the_data_line(solved: dict[str, Solution], tokenizer_directory: Path) -> None:
    made, _ = turned(*solved.values())
    rules = Rules(str(tokenizer_directory), 100_000, False, QualityConfig(), None)
    for outcome in examine(made, rules):
        assert isinstance(outcome, Kept), outcome
        assert not [flag for flag in outcome.conversation.flags if flag != "ungrounded"]


def test_a_trace_that_was_tampered_with_is_found(solved: dict[str, Solution]) -> None:
    other_result = copy.deepcopy(solved["plain"])
    node = other_result.answers[0].path()[0]
    node.made[0] = _with(node.made[0], text='{"total": 9, "filling": ""}')
    assert reason(other_result) is TraceReason.NOT_REPEATED
    other_status = copy.deepcopy(solved["corrects"])
    node = other_status.answers[0].path()[0]
    node.made[0] = _with(node.made[0], status=Status.OK)
    assert reason(other_status) is TraceReason.NOT_REPEATED
    other_state = copy.deepcopy(solved["plain"])
    other_state.state["sums"]["total"] = 0
    assert reason(other_state) is TraceReason.OTHER_STATE
    empty = copy.deepcopy(solved["plain"])
    empty.answers[0].final_answer = " "
    assert reason(empty) is TraceReason.EMPTY_ANSWER


def test_a_task_says_what_is_right(solved: dict[str, Solution]) -> None:
    def task(total: int, *answers: str) -> dict[str, Task]:
        golden = Outcome(state={"sums": {"total": total}}, state_sha256="", answers=answers, calls=())
        return {"plain": Task(id="plain", query="plain", tools=("add",), seed=SEED, golden=golden)}

    assert one(solved["plain"], tasks=task(8, "8"))
    assert reason(solved["plain"], tasks=task(9, "8")) is TraceReason.WRONG
    assert reason(solved["plain"], tasks=task(8, "9")) is TraceReason.WRONG


def test_answer_files_give_the_same(solved: dict[str, Solution], tmp_path: Path) -> None:
    def read() -> Iterator[Solution]:
        for solution in solved.values():
            yield read_answer(write_answer(tmp_path, solution))

    assert turned(*read())[0] == turned(*solved.values())[0]
    assert len(list(tmp_path.glob("*.json"))) == len(SCRIPTS)
    assert json.loads(next(tmp_path.glob("*.json")).read_text())


def _with(made: Any, **changes: Any) -> Any:
    values = {name: getattr(made, name) for name in ("call", "status", "text", "ran")}
    return type(made)(**{**values, **changes})


def test_a_directory_of_answers_becomes_a_file(solved: dict[str, Solution], tmp_path: Path) -> None:
    module = tmp_path / "sums.py"
    module.write_text(MODULE)
    answers_at, output = tmp_path / "answers", tmp_path / "out"
    output.mkdir()
    for solution in solved.values():
        write_answer(answers_at, _seeded(solution))
    (answers_at / "broken.json").write_text("{")
    config = TracesConfig(answers=answers_at, tools=(ToolSourceConfig(python=str(module)),))
    summary = asyncio.run(write_traces(config, output))
    rows = [json.loads(line) for line in (output / TRACES).read_text().splitlines()]
    assert summary["read"] == len(SCRIPTS) + 1 == summary["kept"] + sum(summary["dropped"].values())
    assert {row["meta"]["query_id"] for row in rows} == {*list(SCRIPTS)[:7], "unknown"} - {"corrects"}
    # The module's exception is told with its type, so this one result is another.
    assert summary["dropped"]["not_repeated"] == 1
    assert summary["dropped"]["unreadable"] == 1
    with pytest.raises(ConfigError, match="annotate"):
        asyncio.run(write_traces(TracesConfig(answers=tmp_path / "none"), output))


MODULE = '''
"""Sums."""

from typing import Any


def initial_state(seed: int) -> dict[str, Any]:
    """The total."""
    return {"total": seed}


def add(amount: int, *, state: dict[str, Any]) -> dict[str, Any]:
    """add

    Args:
        amount: How much.
    """
    if amount > 100:
        raise KeyError("amount must be at most 100")
    state["total"] += amount
    return {"total": state["total"], "filling": "x" * 2000 if amount == 77 else ""}
'''


def _seeded(solution: Solution) -> Solution:
    """As annotate solves: with the seed of the states in its settings."""
    seeded = copy.deepcopy(solution)
    seeded.settings["seed"] = SEED
    return seeded
