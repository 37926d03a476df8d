"""The solvers against a real endpoint whose model is a Python function."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from octupus.agent.environment import Environment
from octupus.agent.solve.config import SolverConfig
from octupus.agent.solve.events import Event
from octupus.agent.solve.prompts import NUDGE
from octupus.agent.solve.solver import solve
from octupus.agent.solve.tree import SearchNode, Solution
from octupus.agent.tools.status import Status
from octupus.agent.tools.toolbox import Toolbox
from octupus.errors import ConfigError
from tests.agent.in_process_source import InProcessSource, tool
from tests.agent.scripted_endpoint import ScriptedEndpoint, answers, calls, gives_up, says
from tests.teacher_server import Reply

ADD = tool("add", amount="integer")
FAIL = tool("fail")


def add(arguments: dict[str, Any], state: Any) -> Any:
    state["total"] += arguments["amount"]
    return {"total": state["total"]}


def fail(arguments: dict[str, Any], state: Any) -> Any:
    state["total"] = -1
    raise ValueError("nothing is for sale")


def source(**options: Any) -> InProcessSource:
    return InProcessSource.of((ADD, add), (FAIL, fail), initial=lambda seed: {"total": seed}, **options)


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    server = ScriptedEndpoint(lambda messages, tools, seed: says(""))
    yield server
    server.close()


Solve = Callable[..., Solution]


@pytest.fixture
def run(endpoint: ScriptedEndpoint) -> Solve:
    """Solve with a policy; `settings` are the solver's."""

    def solved(
        policy: Any, seed: int = 0, events: list[Event] | None = None, tools: Any = None, **settings: Any
    ) -> Solution:
        endpoint.policy = policy
        endpoint.requests.clear()
        heard: list[Event] = [] if events is None else events

        async def work() -> Solution:
            client = endpoint.client()
            try:
                environment = await Environment.open(Toolbox([tools or source()]), seed)
                return await solve("sum up", environment, client, SolverConfig(**settings), heard.append, "q1")
            finally:
                await client.close()

        return asyncio.run(work())

    return solved


def turn(messages: list[dict[str, Any]]) -> int:
    """Assistant messages so far."""
    return sum(message["role"] == "assistant" for message in messages)


def script(*replies: Any) -> Any:
    """The same reply at the same place of each chain."""
    return lambda messages, tools, seed: dict(replies[min(turn(messages), len(replies) - 1)])


def shape(node: SearchNode) -> Any:
    """The calls of a tree, nested."""
    own = "/".join(f"{made.call.function.name}{made.call.function.arguments}" for made in node.made)
    return (own, [shape(child) for child in node.children])


def test_a_chain_that_answers(run: Solve, endpoint: ScriptedEndpoint) -> None:
    solution = run(script(calls(("add", {"amount": 2}), content="First."), calls(("add", {"amount": 3})), answers("5")))
    assert solution.win
    assert (solution.final.final_answer, solution.query_count, solution.stopped) == ("5", 3, "")
    assert solution.state == {"in_process": {"total": 5}}
    assert [node.depth for node in solution.nodes] == [3, 5, 7]
    assert [made.text for node in solution.nodes for made in node.made][:2] == ['{"total": 2}', '{"total": 5}']
    # What is sent is OpenAI's: tools with Finish, results by call id, no tool_choice, a seed of its own each time.
    last = endpoint.requests[-1]
    assert [each["function"]["name"] for each in last["tools"]] == ["add", "fail", "Finish"]
    assert "tool_choice" not in last
    assert [message["role"] for message in last["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
    ]
    assert last["messages"][3]["tool_call_id"] == last["messages"][2]["tool_calls"][0]["id"]
    seeds = [request["seed"] for request in endpoint.requests]
    assert seeds == [node.seed for node in solution.nodes]
    assert len(set(seeds)) == 3
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert solution.tokens_in == sum(node.tokens_in for node in solution.nodes) > 0
    assert solution.tokens_out == sum(node.tokens_out for node in solution.nodes) > 0


def test_calls_of_a_message_run_in_order_and_finish_last(run: Solve) -> None:
    finish = ("Finish", {"return_type": "give_answer", "final_answer": "done"})
    solution = run(script(calls(finish, ("add", {"amount": 1}), ("fail", {}), ("add", {"amount": 4}))))
    (node,) = solution.nodes
    assert [made.status for made in node.made] == [Status.ANSWERED, Status.OK, Status.TOOL_ERROR, Status.OK]
    assert [made.call.function.name for made in node.executed] == ["add", "fail", "add", "Finish"]
    assert node.made[3].text == '{"total": 5}'
    assert solution.state == {"in_process": {"total": 5}}
    assert node.depth == 8


def test_what_a_model_gets_wrong_is_told_to_it_and_can_be_sent_back(run: Solve, endpoint: ScriptedEndpoint) -> None:
    wrong = calls(
        ("no such tool", {}), ("add", "{"), ("add", {"amount": "x"}), ("Finish", {"return_type": "give_answer"})
    )
    solution = run(script(wrong, answers("sorry")))
    made = solution.nodes[0].made
    assert [each.status for each in made] == [Status.UNKNOWN_TOOL, *[Status.BAD_INPUT] * 3]
    assert made[3].text == "give_answer of Finish needs final_answer"
    assert solution.final.final_answer == "sorry"
    # Endpoints refuse histories with names or arguments that are none.
    sent = [call["function"] for call in endpoint.requests[1]["messages"][2]["tool_calls"]]
    assert sent[0]["name"] == "unknown_tool"
    assert sent[1]["arguments"] == '{"invalid_arguments": "{"}'
    assert made[0].call.function.name == "no such tool"


def test_equal_ids_of_calls_are_told_apart(run: Solve, endpoint: ScriptedEndpoint) -> None:
    message = calls(("add", {"amount": 1}), ("add", {"amount": 2}))
    for call in message["tool_calls"]:
        call["id"] = "same"
    run(script(message, answers("3")))
    asked = endpoint.requests[1]["messages"]
    assert [call["id"] for call in asked[2]["tool_calls"]] == [each["tool_call_id"] for each in asked[3:5]]
    assert len({each["tool_call_id"] for each in asked[3:5]}) == 2


def test_long_results_are_cut(run: Solve, endpoint: ScriptedEndpoint) -> None:
    long = (tool("long"), lambda arguments, state: "x" * 100)
    solution = run(
        script(calls(("long", {})), answers("ok")), tools=InProcessSource.of(long), observation_characters=16
    )
    assert solution.nodes[0].made[0].text == '"' + "x" * 15 + "..."
    assert endpoint.requests[1]["messages"][-1]["content"] == solution.nodes[0].made[0].text


@pytest.mark.parametrize("nudges", [0, 1, 3])
def test_a_model_that_only_talks_is_asked_and_then_pruned(run: Solve, endpoint: ScriptedEndpoint, nudges: int) -> None:
    solution = run(lambda messages, tools, seed: says("Let me think."), nudges=nudges, single_chain_max_step=50)
    assert len(solution.nodes) == nudges + 1
    assert (solution.final.pruned, solution.final.why_pruned, solution.win) == (True, "no_call", False)
    assert [message["content"] for message in endpoint.requests[-1]["messages"][2:]] == [
        "Let me think.",
        NUDGE,
    ] * nudges


def test_a_call_between_thoughts_starts_the_count_again(run: Solve) -> None:
    talk = [says("hm")] * 2 + [calls(("add", {"amount": 1}))] + [says("hm")] * 2 + [answers("1")]
    assert run(script(*talk), single_chain_max_step=50).win


def test_the_same_call_in_the_same_state_is_a_loop(run: Solve) -> None:
    solution = run(script(calls(("fail", {}))), single_chain_max_step=50)
    assert solution.final.why_pruned == "loop"
    assert [made.ran for node in solution.nodes for made in node.made] == [True, True, True, False]
    # A state that changes makes it another call.
    changing = run(script(calls(("add", {"amount": 1}))), single_chain_max_step=50)
    assert changing.final.why_pruned == "max_step"
    assert len(changing.nodes) == 25


def test_more_calls_than_a_message_may_make(run: Solve) -> None:
    solution = run(script(calls(*[("add", {"amount": 1})] * 40), answers("?")), max_calls=5)
    assert [made.ran for made in solution.nodes[0].made] == [True] * 5 + [False] * 35
    assert solution.state == {"in_process": {"total": 5}}
    assert solution.win


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_message_that_breaks_off_is_not_acted_upon(run: Solve, reason: str) -> None:
    tools = source()
    solution = run(script({**calls(("add", {"amount": 1})), "finish_reason": reason}), tools=tools)
    assert solution.final.why_pruned == "broke_off"
    assert tools.calls == []


def test_several_chains_each_begin_anew(run: Solve, endpoint: ScriptedEndpoint) -> None:
    numbers: list[int] = []

    def policy(messages: list[dict[str, Any]], tools: Any, seed: int) -> Any:
        if turn(messages) == 0:
            numbers.append(seed)
            return calls(("add", {"amount": len(numbers)}))
        return answers(str(len(numbers))) if len(numbers) == 3 else gives_up()

    solution = run(policy, method="CoT@5", seed=10)
    assert len(solution.roots) == 3
    assert len(set(numbers)) == 3
    assert [node.made[0].text for node in solution.nodes[::2]] == [f'{{"total": {10 + add}}}' for add in (1, 2, 3)]
    assert solution.final.final_answer == "3"
    assert solution.state == {"in_process": {"total": 13}}
    assert [node.number for root in solution.roots for node in root.walk()] == list(range(9))


def amounts(messages: list[dict[str, Any]]) -> list[int]:
    """The calls of a history, by what they add."""
    return [
        json.loads(call["function"]["arguments"])["amount"]
        for message in messages
        for call in message.get("tool_calls", [])
    ]


def test_a_search_visits_as_dfsdt_does(run: Solve, endpoint: ScriptedEndpoint) -> None:
    """Width 2, every chain gives up in its third message: back two messages each time, until all is tried."""

    def policy(messages: list[dict[str, Any]], tools: Any, seed: int) -> Any:
        if len(amounts(messages)) == 2:
            return gives_up()
        return calls(("add", {"amount": 10 if "tried before" in messages[-1]["content"] else 1}))

    solution = run(policy, method="DFS_woFilter_w2")
    one, ten, give_up = 'add{"amount": 1}', 'add{"amount": 10}', 'Finish{"return_type": "give_up_and_restart"}'
    expected = ("", [(add, [(one, [(give_up, [])]), (ten, [(give_up, [])])]) for add in (one, ten)])
    assert shape(solution.roots[0]) == expected
    # The environment was brought back each time.
    assert [node.made[0].text for node in solution.nodes if node.depth == 4] == [
        f'{{"total": {total}}}' for total in (2, 11, 11, 20)
    ]
    assert not solution.win
    assert solution.final is solution.nodes[-1]
    # Later children are asked to differ, in a message that their own children do not see.
    asked = [request["messages"] for request in endpoint.requests]
    assert [node.diversity for node in solution.nodes] == [
        node.parent.children[0] is not node for node in solution.nodes
    ]
    for node, messages in zip(solution.nodes, asked, strict=True):
        marked = ["tried before" in (message["content"] or "") for message in messages]
        assert sum(marked) == int(node.diversity)
        assert not any(marked[:-1])
        assert amounts(messages) == [
            made.call.function.name == "add" and int_of(made) for up in node.path()[:-1] for made in up.made
        ]


def int_of(made: Any) -> int:
    return int(json.loads(made.call.function.arguments)["amount"])


def test_a_search_ends_at_the_first_answer_in_its_state(run: Solve) -> None:
    def policy(messages: list[dict[str, Any]], tools: Any, seed: int) -> Any:
        done = amounts(messages)
        if done == [7]:
            return answers("seven")
        if done:
            return gives_up()
        return calls(("add", {"amount": 7 if "tried before" in messages[-1]["content"] else 1}))

    solution = run(policy, method="DFS_woFilter_w2")
    assert solution.win
    assert solution.state == {"in_process": {"total": 7}}
    assert solution.query_count == 4


def test_a_first_message_that_gives_up_leaves_the_other_children(run: Solve) -> None:
    solution = run(lambda messages, tools, seed: gives_up(), method="DFS_woFilter_w3")
    assert shape(solution.roots[0])[1] == [('Finish{"return_type": "give_up_and_restart"}', [])] * 3


def test_more_answers_than_one_can_be_asked_for(run: Solve) -> None:
    solution = run(script(calls(("add", {"amount": 1})), answers("yes")), method="DFS_woFilter_w2", answer=2)
    assert len(solution.answers) == 2
    assert solution.final is solution.answers[0]
    assert solution.state == {"in_process": {"total": 1}}


def test_votes_decide_which_child_is_visited_first(run: Solve, endpoint: ScriptedEndpoint) -> None:
    """The model prefers the larger amount, and is biased towards A where it sees no difference."""

    def policy(messages: list[dict[str, Any]], tools: Any, seed: int) -> Any:
        if not tools:
            case = json.loads(messages[1]["content"])
            first, second = (
                sum(json.loads(call["arguments"]).get("amount", 0) for call in case[name]["calls"]) for name in "AB"
            )
            return says("B" if second > first else "I take A.")
        done = amounts(messages)
        if len(done) == 2:
            return answers(str(sum(done)))
        tried = messages[-1]["content"].count('"tool":') if "tried before" in messages[-1]["content"] else 0
        return calls(("add", {"amount": 1 + tried}))

    solution = run(policy, method="DFS_w3", single_chain_max_step=20)
    first, second, third = solution.roots[0].children
    assert [node.score for node in (first, second, third)] == [0.0, 1.0, 2.0]
    assert (first.children, second.children) == ([], [])
    assert solution.final.final_answer == "6"
    # Of three equal answers the first is taken: the bias towards A cancels.
    assert [node.score for node in third.children[2].children] == [1.0, 1.0, 1.0]
    assert solution.final.parent is third.children[2]
    assert len(solution.votes) == 3 * 6
    assert solution.query_count == 9 + 18 == len(endpoint.requests)
    assert solution.tokens_in == sum(each.tokens_in for each in [*solution.nodes, *solution.votes])


def test_the_query_budget(run: Solve, endpoint: ScriptedEndpoint) -> None:
    for method in ("CoT@9", "DFS_woFilter_w2", "DFS_w2"):
        solution = run(script(calls(("add", {"amount": 1}))), method=method, max_query_count=17)
        assert (solution.stopped, solution.query_count, len(endpoint.requests)) == ("query_budget", 17, 17)


def test_the_token_budget_ends_with_the_request_that_crosses_it(run: Solve) -> None:
    solution = run(script(calls(("add", {"amount": 1}))), method="CoT@9", max_tokens_total=2000)
    assert solution.stopped == "token_budget"
    spent = solution.tokens_in + solution.tokens_out
    last = solution.nodes[-1]
    assert spent - last.tokens_in - last.tokens_out < 2000 <= spent


def test_answers_not_yet_come_to_count_when_the_budget_ends(run: Solve) -> None:
    solution = run(lambda messages, tools, seed: answers("yes"), method="DFS_w2", max_query_count=2)
    assert solution.stopped == "query_budget"
    assert solution.win


def test_an_endpoint_that_fails_half_way_is_told_of(run: Solve, endpoint: ScriptedEndpoint) -> None:
    def policy(messages: list[dict[str, Any]], tools: Any, seed: int) -> Any:
        return Reply(503) if turn(messages) == 2 else calls(("add", {"amount": 1}))

    events: list[Event] = []
    solution = run(policy, method="DFS_woFilter_w2", events=events)
    assert solution.stopped == "endpoint: status_503"
    failed = solution.nodes[-1]
    assert failed.failure.startswith("status_503")
    assert (failed.why_pruned, failed.made, failed.content) == ("endpoint", [], None)
    assert solution.query_count == 2
    assert solution.retries == {"status_503": 2}
    assert solution.state == {"in_process": {"total": 2}}
    assert [event.node for event in events if event.name == "on_error"] == [failed.number]
    # A request that is refused for good ends it as well.
    assert run(lambda messages, tools, seed: Reply(400)).stopped == "endpoint: status_400"


def test_equal_seeds_give_equal_trees(run: Solve) -> None:
    def policy(messages: list[dict[str, Any]], tools: Any, seed: int) -> Any:
        return gives_up() if seed % 5 == 0 else answers("x") if seed % 17 == 0 else calls(("add", {"amount": seed % 7}))

    def tree(seed: int) -> Any:
        solution = run(policy, method="DFS_woFilter_w2", max_query_count=30, seed=seed)
        return [shape(root) for root in solution.roots], [node.seed for node in solution.nodes]

    def tree_of(config_seed: int) -> Any:
        from octupus.agent.solve.seeds import request_seed

        return [request_seed(config_seed, "q1", "node", number) for number in range(5)]

    assert tree(3) == tree(3)
    assert tree_of(1) != tree_of(2)
    assert tree_of(1) == tree_of(1)


def test_what_cannot_be_gone_back_on_is_not_searched(run: Solve) -> None:
    elsewhere = source(restorable=False)
    for method in ("CoT@2", "DFS_woFilter_w2", "DFS_w2"):
        with pytest.raises(ConfigError, match="allow_unrestorable"):
            run(script(answers("x")), method=method, tools=elsewhere)
    assert run(script(answers("x")), method="CoT@1", tools=elsewhere).win
    assert run(script(answers("x")), method="DFS_woFilter_w2", tools=elsewhere, allow_unrestorable=True).win
    with pytest.raises(ConfigError, match="named Finish"):
        run(script(answers("x")), tools=InProcessSource.of((tool("Finish"), fail)))


def test_events_tell_the_whole_tree(run: Solve) -> None:
    def policy(messages: list[dict[str, Any]], tools: Any, seed: int) -> Any:
        return (
            [gives_up, lambda: answers("x"), lambda: says("hm")][seed % 3]()
            if seed % 4 == 0
            else calls(("add", {"amount": 1}))
        )

    events: list[Event] = []
    solution = run(policy, method="DFS_woFilter_w2", max_query_count=25, events=events)
    assert (events[0].name, events[-1].name) == ("on_request_start", "on_request_end")
    names = Counter(event.name for event in events)
    assert names["on_chain_start"] == names["on_chain_end"] == names["on_llm_end"] == len(solution.nodes)
    for node in solution.nodes:
        own = [event for event in events[1:-1] if event.node == node.number]
        assert {event.parent for event in own} == {node.parent.number}
        told = [event.data for event in own if event.name == "on_tool_end"]
        assert [(each["name"], each["status"], each["text"]) for each in told] == [
            (made.call.function.name, made.status, made.text) for made in node.executed
        ]
        assert own[-1].data == {"pruned": node.pruned, "why_pruned": node.why_pruned}
        assert own[-1].depth == node.depth
    final = events[-1].data
    assert final["chain"] == [node.number for node in solution.final.path()]
    assert (final["query_count"], final["win"]) == (solution.query_count, solution.win)
