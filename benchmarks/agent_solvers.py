"""Chains beside depth-first search on tasks that need going back, at an equal budget of requests.

    python benchmarks/agent_solvers.py [--tasks 50] [--budget 60] [--error 0.05]

The model is a policy behind a real endpoint on 127.0.0.1. It is the same for every method, sees the messages of a
request and nothing else, and draws from them and the request's seed. It books what it takes to be next, picks between
offers that look alike by chance, errs with a probability in each step (a wrong id, idle talk, or an answer too early),
gives up when an offer turns out to be sold out after its deposit was paid, and when it is told what was tried from this
point takes something else, or gives up where there is nothing else. The tools are those of trip_tools.py, in their
sandbox. A task passes when everything is booked in the final state and the answer names every reference.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from trip_tools import ITEMS

from octupus.agent.environment import Environment
from octupus.agent.solve.config import SolverConfig
from octupus.agent.solve.solver import solve
from octupus.agent.solve.tree import Solution
from octupus.agent.tools.config import ToolSourceConfig
from octupus.agent.tools.sources import open_toolbox
from octupus.agent.tools.toolbox import Toolbox
from octupus.endpoint.client import EndpointClient
from tests.agent.scripted_endpoint import Message, ScriptedEndpoint, answers, calls, draws, gives_up, says

TOOLS = Path(__file__).with_name("trip_tools.py")
NAMES = ("Mei Tanaka", "Ana Duarte", "Omar Haddad", "Lena Vogt", "Ravi Menon")
TRIED = "the task was tried before"


class Policy:
    """The model."""

    def __init__(self, error: float) -> None:
        self._error = error

    def __call__(self, messages: list[Message], tools: list[dict[str, Any]], seed: int) -> Message:
        """The next message, from what the request says."""
        chance = draws(messages, seed)
        known = _Known(messages)
        if chance.random() < self._error:
            return self._mistake(chance, known)
        if known.sold_out:
            return gives_up()
        wanted = known.next_calls(messages[1]["content"])
        if not wanted:
            return answers("Booked: " + ", ".join(known.references))
        tried = _tried(messages[-1])
        left = [call for call in wanted if call not in tried]
        return calls(chance.choice(left)) if left else gives_up()

    def _mistake(self, chance: Random, known: _Known) -> Message:
        kind = chance.randrange(3)
        if kind == 0:
            return calls(("book", {"offer_id": f"hotel_{chance.randrange(100)}"}))
        if kind == 1:
            return says("I wonder what comes next.")
        return answers("Booked: " + (", ".join(known.references) or "nothing yet"))


Call = tuple[str, dict[str, Any]]


class _Known:
    """What a conversation says so far."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.offers: dict[str, list[str]] = {}
        self.deposits: dict[str, str] = {}
        self.travellers: set[str] = set()
        self.references: list[str] = []
        self.booked: set[str] = set()
        self.sold_out = False
        for position, message in enumerate(messages):
            # Ids of calls repeat from message to message; results stand right behind, in the order of the calls.
            for offset, call in enumerate(message.get("tool_calls", []), start=1):
                function = call["function"]
                self._learn(function["name"], json.loads(function["arguments"]), messages[position + offset]["content"])

    def _learn(self, name: str, arguments: dict[str, Any], text: str) -> None:
        self.sold_out |= "is sold out" in text
        try:
            value = json.loads(text)
        except ValueError:
            return
        if name == "find_offers":
            self.offers[arguments["item"]] = [offer["offer_id"] for offer in value]
        elif name == "pay_deposit":
            self.deposits[arguments["offer_id"].partition("_")[0]] = arguments["offer_id"]
        elif name == "add_traveller":
            self.travellers.add(arguments["offer_id"])
        elif name == "book":
            self.booked.add(arguments["offer_id"].partition("_")[0])
            self.references.append(value["reference"])

    def next_calls(self, query: str) -> list[Call]:
        """The calls that are sensible now, all of them; none when all is done."""
        traveller = query.partition(" for ")[2].partition(":")[0]
        for item in ITEMS:
            if item in self.booked:
                continue
            if item not in self.offers:
                return [("find_offers", {"item": item})]
            if item not in self.deposits:
                return [("pay_deposit", {"offer_id": offer}) for offer in self.offers[item]]
            offer = self.deposits[item]
            if offer not in self.travellers:
                return [("add_traveller", {"offer_id": offer, "name": traveller})]
            return [("book", {"offer_id": offer})]
        return []


def _tried(last: Message) -> list[Call]:
    """The calls that the last message says were made from this point."""
    if last["role"] != "user" or TRIED not in last["content"]:
        return []
    lines = [line for line in last["content"].splitlines() if line.startswith("{")]
    return [(call["tool"], json.loads(call["arguments"])) for call in map(json.loads, lines)]


def passes(solution: Solution) -> bool:
    """Whether all is booked, and the user is told how."""
    bookings = next(iter(solution.state.values()))["bookings"]
    answer = solution.final.final_answer if solution.win and solution.final else ""
    return len(bookings) == len(ITEMS) and all(reference in answer for reference in bookings.values())


@dataclass
class Row:
    """A method's results."""

    method: str
    solutions: list[Solution]
    seconds: float

    def __str__(self) -> str:
        count = len(self.solutions)
        rate = sum(map(passes, self.solutions)) / count
        error = math.sqrt(rate * (1 - rate) / count)
        queries = sum(each.query_count for each in self.solutions)
        tokens = sum(each.tokens_in + each.tokens_out for each in self.solutions)
        answered = sum(each.win for each in self.solutions)
        budget = sum(each.stopped == "query_budget" for each in self.solutions)
        return (
            f"{self.method:<16} {rate:>7.1%} {error:>7.1%} {answered:>9} {budget:>14} {queries / count:>13.1f} "
            f"{tokens / count:>12,.0f} {self.seconds:>8.1f}"
        )


async def solve_all(method: str, toolbox: Toolbox, client: EndpointClient, arguments: argparse.Namespace) -> Row:
    """All tasks by one method."""
    config = SolverConfig(method=method, max_query_count=arguments.budget, single_chain_max_step=60)
    started = time.monotonic()
    solutions = []
    for task in range(arguments.tasks):
        query = f"Book a flight, a hotel and a car for {NAMES[task % len(NAMES)]}: tell me every booking reference."
        environment = await Environment.open(toolbox, seed=task)
        solutions.append(await solve(query, environment, client, config, query_id=str(task)))
    return Row(method, solutions, time.monotonic() - started)


async def main(arguments: argparse.Namespace) -> None:
    """Print the table."""
    endpoint = ScriptedEndpoint(Policy(arguments.error))
    client = endpoint.client()
    most = min(arguments.budget, 999)
    print(f"{arguments.tasks} tasks, at most {arguments.budget} requests each, error {arguments.error:g} a step")
    print(
        f"{'method':<16} {'pass':>7} {'s.e.':>7} {'answered':>9} {'out of budget':>14} {'requests/task':>13} "
        f"{'tokens/task':>12} {'seconds':>8}"
    )
    try:
        async with await open_toolbox([ToolSourceConfig(python=str(TOOLS))]) as toolbox:
            for method in ("CoT@1", f"CoT@{most}", "DFS_woFilter_w2"):
                print(await solve_all(method, toolbox, client, arguments), flush=True)
    finally:
        await client.close()
        endpoint.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=50)
    parser.add_argument("--budget", type=int, default=60)
    parser.add_argument("--error", type=float, default=0.05)
    asyncio.run(main(parser.parse_args()))
