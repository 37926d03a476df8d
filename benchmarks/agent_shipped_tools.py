"""Chains beside depth-first search on generated tasks over the tools that come with octupus, to the judge's verdict.

    python benchmarks/agent_shipped_tools.py [--tasks 50] [--budget 30] [--error 0.1]

The model is a script behind a real endpoint on 127.0.0.1 that knows each task's golden calls, and errs with a
probability in each message: an argument or a tool is another one, it talks, or it answers too early. It sees what came
of its calls in the messages it is sent, and gives up where a call that worked was none of the golden ones, since what
it did cannot be taken back. So without errors every task must pass, which holds the whole line to account: generated
tasks, the sandbox, solving, ToolBench's files, and the rule judge, which reads those files. With errors, going back is
what search has over a chain, and starting anew what `CoT@n` has.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from octupus.agent.environment import Environment
from octupus.agent.generate.config import GenerateConfig
from octupus.agent.generate.run import generate
from octupus.agent.generate.tasks import Task
from octupus.agent.judge.answer_files import read_answer_directory
from octupus.agent.judge.rule_judge import RuleJudge
from octupus.agent.solve.answer_format import write_answer
from octupus.agent.solve.config import SolverConfig
from octupus.agent.solve.solver import solve
from octupus.agent.solve.tree import Solution
from octupus.agent.tools.config import ToolSourceConfig
from octupus.agent.tools.sources import open_toolbox
from octupus.agent.tools.toolbox import Toolbox
from octupus.endpoint.client import EndpointClient
from tests.agent.scripted_endpoint import Message, ScriptedEndpoint, answers, calls, draws, gives_up, says

Call = tuple[str, dict[str, Any]]


class Script:
    """The model."""

    def __init__(self, tasks: Sequence[Task], error: float) -> None:
        self._tasks = {task.query: task for task in tasks}
        self._error = error

    def __call__(self, messages: list[Message], tools: list[dict[str, Any]], seed: int) -> Message:
        """The next message."""
        task = self._tasks[messages[1]["content"]]
        golden = [(call["name"], call["arguments"]) for call in task.golden.calls]
        worked = _worked(messages)
        if worked != golden[: len(worked)]:
            return gives_up()
        chance = draws(messages, seed)
        if chance.random() < self._error:
            return self._mistake(chance, golden[len(worked) :], tools)
        if len(worked) < len(golden):
            return calls(golden[len(worked)])
        return answers("Done: " + ", ".join(task.golden.answers))

    def _mistake(self, chance: Random, left: Sequence[Call], tools: Sequence[Mapping[str, Any]]) -> Message:
        kind = chance.randrange(4)
        if kind == 0 and left:
            name, arguments = left[0]
            changed = {key: _other(value, chance) for key, value in arguments.items()}
            return calls((name, changed))
        if kind == 1:
            return calls((chance.choice(tools)["function"]["name"], {}))
        return says("Let me think about that.") if kind == 2 else answers("Done.")


def _other(value: Any, chance: Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + chance.choice([-1, 1])
    return value[:-1] if isinstance(value, str) and len(value) > 1 else value


def _worked(messages: Sequence[Message]) -> list[Call]:
    """The calls that gave JSON, which is what tools give that run to their end."""
    worked = []
    for position, message in enumerate(messages):
        for offset, call in enumerate(message.get("tool_calls", []), start=1):
            function, text = call["function"], messages[position + offset]["content"]
            if text[:1] in '{["' or text.removesuffix("...").isalnum():
                worked.append((function["name"], json.loads(function["arguments"])))
    return worked


async def solve_all(
    method: str, tasks: Sequence[Task], toolbox: Toolbox, client: EndpointClient, budget: int, directory: Path
) -> tuple[list[Solution], float]:
    """All tasks by one method, each written as ToolBench does; and the seconds that took."""
    config = SolverConfig(method=method, max_query_count=budget, single_chain_max_step=40)
    started = time.monotonic()
    solutions = []
    for task in tasks:
        environment = await Environment.open(toolbox, task.seed, task.tools)
        solutions.append(await solve(task.query, environment, client, config, query_id=task.id))
        write_answer(directory, solutions[-1])
    return solutions, time.monotonic() - started


async def passed(tasks: Sequence[Task], directory: Path) -> int:
    """How many of the written answers the rule judge finds right."""
    judge = RuleJudge({task.id: task.for_judge() for task in tasks})
    read = read_answer_directory(directory)
    verdicts = [await judge.answer_status(answer, 0) for answer in read.values() if answer.answer_text]
    return sum(verdict.status == "Solved" for verdict in verdicts)


async def compare(tasks: Sequence[Task], arguments: argparse.Namespace, scratch: Path) -> None:
    """Print the table."""
    endpoint = ScriptedEndpoint(Script(tasks, arguments.error))
    client = endpoint.client()
    print(f"{len(tasks)} tasks, at most {arguments.budget} requests each, error {arguments.error:g} a message")
    print(f"{'method':<16} {'pass':>7} {'s.e.':>7} {'answered':>9} {'requests/task':>13} {'tokens/task':>12} {'s':>6}")
    try:
        async with await open_toolbox([ToolSourceConfig(library=("all",))]) as toolbox:
            for method in ("CoT@1", f"CoT@{arguments.budget}", "DFS_woFilter_w2"):
                directory = scratch / method
                solutions, seconds = await solve_all(method, tasks, toolbox, client, arguments.budget, directory)
                count = len(solutions)
                rate = await passed(tasks, directory) / count
                queries = sum(solution.query_count for solution in solutions) / count
                tokens = sum(solution.tokens_in + solution.tokens_out for solution in solutions) / count
                answered = sum(solution.win for solution in solutions)
                error = math.sqrt(rate * (1 - rate) / count)
                print(
                    f"{method:<16} {rate:>7.1%} {error:>7.1%} {answered:>9} {queries:>13.1f} {tokens:>12,.0f} "
                    f"{seconds:>6.0f}",
                    flush=True,
                )
    finally:
        await client.close()
        endpoint.close()


def main() -> None:
    """Generate tasks, then solve them by each method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=50)
    parser.add_argument("--budget", type=int, default=30)
    parser.add_argument("--error", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="octupus-tasks-") as directory:
        scratch = Path(directory)
        config = GenerateConfig(
            output=scratch / "tasks",
            count=arguments.tasks,
            seed=arguments.seed,
            shapes={"single": 1, "parallel": 1, "multi_step": 3},
        )
        generate(config)
        lines = (config.output / "tasks.jsonl").read_text(encoding="utf-8").splitlines()
        tasks = [Task.model_validate_json(line) for line in lines][: arguments.tasks]
        asyncio.run(compare(tasks, arguments, scratch))


if __name__ == "__main__":
    main()
