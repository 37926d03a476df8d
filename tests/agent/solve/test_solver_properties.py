"""What holds of every tree, whatever the model does, by every method."""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octupus.agent.environment import Environment
from octupus.agent.solve.answer_format import answer_of, solution_of
from octupus.agent.solve.config import SolverConfig
from octupus.agent.solve.exact_record import to_record
from octupus.agent.solve.finish import FINISH
from octupus.agent.solve.session import shown
from octupus.agent.solve.solver import solve
from octupus.agent.solve.tree import SearchNode, Solution
from octupus.agent.tools.toolbox import Toolbox
from tests.agent.in_process_source import InProcessSource, tool
from tests.agent.scripted_endpoint import ScriptedEndpoint, answers, calls, draws, gives_up, says
from tests.teacher_server import Reply


def put(arguments: dict[str, Any], state: Any) -> Any:
    if arguments["value"] == 3:
        raise ValueError("no threes")
    state["kept"].append(arguments["value"])
    return state["kept"]


def source() -> InProcessSource:
    return InProcessSource.of((tool("put", value="integer"), put), initial=lambda seed: {"kept": []})


def wild(messages: list[dict[str, Any]], tools: Any, seed: int) -> Any:
    """A model that does anything that models do."""
    chance = draws(messages, seed)
    if not tools:
        return says(chance.choice(["A", "B", "neither"]))
    kind = chance.random()
    if kind < 0.01:
        return Reply(400)
    if kind < 0.1:
        return says(chance.choice(["", "hm", "A \ud83d\ude00"]))
    if kind < 0.2:
        return chance.choice([answers("done"), gives_up()])
    made = [one_call(chance) for _ in range(chance.choice([1, 1, 1, 2, 3]))]
    message = calls(*made, content=chance.choice([None, "Now this."]))
    if chance.random() < 0.03:
        message["finish_reason"] = "length"
    return message


def one_call(chance: random.Random) -> tuple[str, Any]:
    return chance.choice(
        [
            ("put", {"value": chance.randrange(6)}),
            ("put", {"value": chance.randrange(6)}),
            ("put", "{broken"),
            ("nope", {}),
            (FINISH, {"return_type": "give_answer"}),
        ]
    )


@pytest.fixture(scope="module")
def endpoint() -> Iterator[ScriptedEndpoint]:
    server = ScriptedEndpoint(wild)
    yield server
    server.close()


configurations = st.builds(
    SolverConfig,
    method=st.sampled_from(["CoT@1", "CoT@4", "DFS_woFilter_w2", "DFS_woFilter_w3", "DFS_w2"]),
    single_chain_max_step=st.integers(1, 14),
    max_query_count=st.integers(1, 16),
    answer=st.integers(1, 2),
    back_up=st.integers(1, 3),
    nudges=st.integers(0, 2),
    repeats=st.integers(1, 3),
    max_calls=st.integers(1, 3),
    max_tokens_total=st.none() | st.integers(100, 9000),
    observation_characters=st.integers(16, 40),
    seed=st.integers(0, 2**40),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=configurations)
def test_every_tree(endpoint: ScriptedEndpoint, config: SolverConfig) -> None:
    endpoint.requests.clear()

    async def work() -> None:
        client = endpoint.client(max_attempts=1)
        environment = await Environment.open(Toolbox([source()]))
        solution = await solve("keep", environment, client, config, query_id="p")
        await client.close()
        bounds_hold(solution, config, len(endpoint.requests))
        for node in solution.nodes:
            node_is_whole(node, config)
        await replays(solution, config, environment)
        assert to_record(solution_of(answer_of(solution))) == to_record(solution)

    asyncio.run(work())


def bounds_hold(solution: Solution, config: SolverConfig, requests: int) -> None:
    nodes = solution.nodes
    failed = [node for node in nodes if node.failure]
    assert solution.query_count + len(failed) == requests <= config.max_query_count + len(failed)
    assert solution.query_count == len(nodes) - len(failed) + len(solution.votes)
    assert solution.tokens_in == sum(each.tokens_in for each in [*nodes, *solution.votes])
    assert solution.tokens_out == sum(each.tokens_out for each in [*nodes, *solution.votes])
    everything = sorted([*solution.roots, *nodes], key=lambda node: node.number)
    assert [node.number for node in everything] == list(range(len(everything)))
    assert len(solution.answers) <= config.answer or config.with_filter
    assert set(map(id, solution.answers)) <= {id(node) for node in nodes if node.finish == "give_answer"}
    assert len(failed) <= 1
    assert solution.stopped.startswith("endpoint") == bool(failed)
    if not solution.stopped and not solution.win and config.chains is None:
        # All was tried: only nodes that were gone back over have fewer children than the width.
        assert all(len(root.children) == config.width for root in solution.roots)


def node_is_whole(node: SearchNode, config: SolverConfig) -> None:
    parent = node.parent
    assert parent is not None
    assert node in parent.children
    assert not parent.terminal
    assert not parent.pruned
    assert len(node.children) <= config.width
    assert not (node.terminal and node.pruned)
    assert node.pruned == bool(node.why_pruned)
    if node.failure:
        return
    steps = int(node.spoken) + 2 * len(node.executed)
    assert node.depth == parent.depth + steps
    assert parent.depth < config.single_chain_max_step
    assert node.terminal or node.pruned or node.depth < config.single_chain_max_step
    assert sum(made.ran and made.call.function.name != FINISH for made in node.made) <= config.max_calls
    for made in node.made:
        assert made.ran != made.text.startswith("the call was not made")
        assert len(made.text) <= config.observation_characters + 3 or not made.ran or made.call.function.name == FINISH


async def replays(solution: Solution, config: SolverConfig, environment: Environment) -> None:
    """Every chain, run anew from the beginning, gives the same results: no branch saw what another one did."""
    final = solution.final
    assert environment.state() == solution.state
    if final is None:
        assert solution.state == {"in_process": {"kept": []}}
    for node in solution.nodes:
        if node.children or node.failure:
            continue
        fresh = await Environment.open(Toolbox([source()]))
        for made in (made for each in node.path() for made in each.executed):
            if made.call.function.name != FINISH:
                result = await fresh.call(made.call.function.name, made.call.function.arguments)
                assert (made.status, made.text) == (result.status, shown(result.text, config.observation_characters))
        if node is final:
            assert fresh.state() == solution.state
