"""A question's stream, from a real server, a real client and the real solver against a scripted endpoint."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from octupus.agent.environment import Environment
from octupus.agent.solve.events import Event, Listener
from octupus.agent.solve.tree import Solution
from octupus.agent.stream.run import EVENTS_HELD
from octupus.errors import EngineError
from tests.agent.scripted_endpoint import Policy, Reply, ScriptedEndpoint, answers, calls, gives_up

from .serving import Line, agent


@contextmanager
def scripted(policy: Policy) -> Iterator[ScriptedEndpoint]:
    endpoint = ScriptedEndpoint(policy)
    try:
        yield endpoint
    finally:
        endpoint.close()


def rounds(messages: list[dict[str, Any]]) -> int:
    """How often the model has spoken."""
    return sum(message["role"] == "assistant" for message in messages)


def depositing(messages: list[dict[str, Any]], tools: list[dict[str, Any]], seed: int) -> Any:
    """Puts money in, looks, and answers with what it saw."""
    match rounds(messages):
        case 0:
            return calls(("deposit", {"cents": 5}), ("deposit", {"cents": -1}), content="First the money.")
        case 1:
            return calls(("balance", {}))
        case _:
            return answers(f"There is {messages[-1]['content']}")


def endless(messages: list[dict[str, Any]], tools: list[dict[str, Any]], seed: int) -> Any:
    """Never ends by itself."""
    return calls(("deposit", {"cents": 1 + rounds(messages)}))


def names(lines: list[Line]) -> list[str]:
    return [line["method_name"] for line in lines]


def test_a_question_streams_what_toolbench_streams() -> None:
    async def run() -> list[Line]:
        with scripted(depositing) as endpoint:
            async with agent(endpoint) as asked:
                response = await asked.client.post("/stream", json={"text": "Put 5 in"})
                assert response.headers["content-type"].startswith("application/x-ndjson")
                return await asked.ask(text="Put 5 in", method="CoT@1", top_k=3, seed=7)

    lines = asyncio.run(run())
    call = ["on_agent_action", "on_tool_start", "on_tool_end"]
    message = ["on_chain_start", "on_llm_start", "on_llm_end"]
    assert names(lines) == [
        "on_request_start",
        *(message + call + call + ["on_chain_end"]),
        *(message + call + ["on_chain_end"]),
        *(message + call + ["on_agent_end", "on_chain_end"]),
        "on_request_end",
    ]
    start, end = lines[0], lines[-1]
    assert (start["user_input"], start["method"], start["block_id"]) == ("Put 5 in", "CoT@1", "start")
    assert start["tools"] == ["deposit", "balance"]
    assert end["output"] == 'There is {"balance": 12}'
    assert (end["win"], end["finish_type"], end["query_count"], end["node"]) == (True, "give_answer", 3, 3)
    assert [message["role"] for message in end["chain"]] == (
        ["system", "user", "assistant", "tool", "tool", "assistant", "tool", "assistant", "tool"]
    )
    ended = [line for line in lines if line["method_name"] == "on_llm_end"]
    assert [(line["block_id"], line["node"], line["parent"]) for line in ended] == [
        ("llm-1", 1, 0),
        ("llm-2", 2, 1),
        ("llm-3", 3, 2),
    ]
    assert sum(line["tokens_in"] for line in ended) == end["tokens_in"] > 0
    assert sum(line["tokens_out"] for line in ended) == end["tokens_out"] > 0
    assert ended[0]["response"]["content"] == "First the money."
    results = [line for line in lines if line["method_name"] == "on_tool_end"]
    assert [(line["block_id"], line["tool_name"], line["status"]) for line in results] == [
        ("tool-1", "deposit", 0),
        ("tool-2", "deposit", 11),
        ("tool-3", "balance", 0),
        ("tool-4", "Finish", 3),
    ]
    assert "cents must be positive" in results[1]["output"]
    begun = [line for line in lines if line["method_name"] == "on_tool_start"]
    assert [line["block_id"] for line in begun] == [line["block_id"] for line in results]
    assert (begun[0]["tool_input"], begun[0]["tool_description"]) == ('{"cents": 5}', "Put money in.")


def test_a_search_streams_a_tree_and_equal_questions_stream_alike() -> None:
    def policy(messages: list[dict[str, Any]], tools: list[dict[str, Any]], seed: int) -> Any:
        if rounds(messages) == 2:
            return gives_up()
        return calls(("deposit", {"cents": 1 + seed % 1000}))

    async def run() -> tuple[list[Line], ...]:
        with scripted(policy) as endpoint:
            async with agent(endpoint, {"solver": {"method": "DFS_woFilter_w2", "max_query_count": 9}}) as asked:
                first = await asked.ask(text="go")
                return first, await asked.ask(text="go"), await asked.ask(text="go", seed=1)

    first, again, other = asyncio.run(run())
    assert first == again != other
    nodes = {line["node"]: line["parent"] for line in first if line["method_name"] == "on_chain_start"}
    assert sorted(nodes) == list(range(1, 10))
    assert all(parent < node for node, parent in nodes.items()), "a parent is told before its children"
    assert max(list(nodes.values()).count(parent) for parent in nodes.values()) == 2


def test_lines_come_while_the_question_is_worked_on() -> None:
    going_on = threading.Event()

    def policy(messages: list[dict[str, Any]], tools: list[dict[str, Any]], seed: int) -> Any:
        if rounds(messages):
            assert going_on.wait(10)
        return depositing(messages, tools, seed)

    async def run() -> None:
        with scripted(policy) as endpoint:
            async with agent(endpoint) as asked, asked.asking(text="Put 5 in") as lines:
                async for line in lines:
                    if line["method_name"] == "on_chain_end":
                        break
                assert not going_on.is_set()
                going_on.set()
                assert names([line async for line in lines])[-1] == "on_request_end"

    asyncio.run(run())


def test_a_client_that_leaves_stops_the_work_at_once() -> None:
    async def run() -> None:
        with scripted(endless) as endpoint:
            endpoint.delay_s = 0.05
            limits = {"single_chain_max_step": 200, "max_query_count": 1000}
            async with agent(endpoint, {"solver": {"method": "CoT@1", **limits}}) as asked:
                async with asked.asking(text="on and on") as lines:
                    async for line in lines:
                        if line.get("node") == 3:
                            break
                    # The model takes long now: what is stopped must not wait for it.
                    endpoint.delay_s = 5.0
                    await asyncio.sleep(0.2)
                left = time.monotonic()
                await asked.idle()
                assert time.monotonic() - left < 2.5
                spent = len(endpoint.requests)
                await asyncio.sleep(0.3)
                assert len(endpoint.requests) == spent

    asyncio.run(run())


def test_more_than_the_limit_is_told_to_come_again_and_a_place_becomes_free() -> None:
    going_on = threading.Event()

    def policy(messages: list[dict[str, Any]], tools: list[dict[str, Any]], seed: int) -> Any:
        assert going_on.wait(10)
        return answers("done")

    async def run() -> None:
        with scripted(policy) as endpoint:
            async with agent(endpoint, {"limits": {"max_concurrent_runs": 2}}) as asked:
                async with asked.asking(text="a") as first, asked.asking(text="b") as second:
                    await anext(first)
                    await anext(second)
                    refused = await asked.client.post("/stream", json={"text": "c"})
                    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "overloaded")
                    assert int(refused.headers["retry-after"]) > 0
                    assert (await asked.client.get("/health")).json() == {"status": "ok", "running": 2}
                    going_on.set()
                    assert [names([line async for line in lines])[-1] for lines in (first, second)] == (
                        ["on_request_end"] * 2
                    )
                await asked.idle()
                assert (await asked.ask(text="c"))[-1]["output"] == "done"

    asyncio.run(run())


def test_a_run_that_takes_too_long_ends_with_an_error() -> None:
    async def run() -> list[Line]:
        with scripted(endless) as endpoint:
            endpoint.delay_s = 0.05
            solver = {"method": "CoT@1", "single_chain_max_step": 200, "max_query_count": 1000}
            async with agent(endpoint, {"solver": solver, "limits": {"max_runtime_s": 0.5}}) as asked:
                lines = await asked.ask(text="on and on")
                await asked.idle()
                return lines

    lines = asyncio.run(run())
    assert lines[0]["method_name"] == "on_request_start"
    assert (lines[-1]["method_name"], lines[-1]["code"]) == ("on_error", "timeout")
    assert "0.5 s" in lines[-1]["error"]


def test_an_endpoint_that_fails_half_way_is_told_at_its_node_and_the_stream_ends_well() -> None:
    def policy(messages: list[dict[str, Any]], tools: list[dict[str, Any]], seed: int) -> Any:
        return Reply(status=400) if rounds(messages) else calls(("balance", {}))

    async def run() -> list[Line]:
        with scripted(policy) as endpoint:
            async with agent(endpoint) as asked:
                return await asked.ask(text="go")

    lines = asyncio.run(run())
    failed = next(line for line in lines if line["method_name"] == "on_llm_error")
    assert (failed["node"], failed["parent"], failed["reason"]) == (2, 1, "status_400")
    end = lines[-1]
    assert (end["method_name"], end["win"], end["stopped"]) == ("on_request_end", False, "endpoint: status_400")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (EngineError("the tool server is gone; start it"), "failed", "the tool server is gone"),
        (KeyError("/home/secret"), "internal_error", "KeyError"),
    ],
)
def test_a_solver_that_raises_ends_the_stream_and_frees_its_place(error: Exception, code: str, said: str) -> None:
    async def failing(*_: Any) -> Solution:
        raise error

    async def run() -> None:
        with scripted(depositing) as endpoint:
            async with agent(endpoint, {"limits": {"max_concurrent_runs": 1}}, failing) as asked:
                for _ in range(2):
                    last = (await asked.ask(text="go"))[-1]
                    assert (last["method_name"], last["code"]) == ("on_error", code)
                    assert said in last["error"]
                    assert "secret" not in last["error"]
                    await asked.idle()

    asyncio.run(run())


def test_a_run_whose_lines_are_not_read_in_time_is_given_up() -> None:
    async def talking(
        query: str, environment: Environment, client: Any, config: Any, listener: Listener, query_id: str
    ) -> Solution:
        for node in range(1, EVENTS_HELD + 10):  # at once, so that nobody can have read them
            listener(Event("on_llm_start", node, node - 1, data={"messages": 2}))
        await asyncio.sleep(60)
        raise AssertionError("it was not stopped")

    async def run() -> None:
        with scripted(depositing) as endpoint:
            async with agent(endpoint, solver=talking) as asked:
                async with asked.asking(text="go") as lines:
                    await asked.idle()  # its place is free before anything was read
                    read = [line async for line in lines]
                assert EVENTS_HELD <= len(read) < EVENTS_HELD + 10
                assert (read[-1]["method_name"], read[-1]["code"]) == ("on_error", "not_read")

    asyncio.run(run())


def test_the_retriever_chooses_what_is_offered() -> None:
    wanted: list[tuple[str, int]] = []

    async def retrieve(text: str, count: int) -> list[str]:
        wanted.append((text, count))
        return [] if text == "nothing" else ["elsewhere", "balance"]

    async def run() -> tuple[list[Line], list[Line], list[dict[str, Any]]]:
        with scripted(lambda messages, tools, seed: answers("done")) as endpoint:
            async with agent(endpoint, retrieve=retrieve) as asked:
                assert (await asked.client.get("/tools")).json()["retrieval"] is True
                found = await asked.ask(text="money?", top_k=2)
                return found, await asked.ask(text="nothing"), endpoint.requests[0]["tools"]

    found, nothing, offered = asyncio.run(run())
    assert names(found)[:3] == ["on_tool_retrieval_start", "on_tool_retrieval_end", "on_request_start"]
    assert {line["block_id"] for line in found[:2]} == {"recommendation-1"}
    assert [tool["name"] for tool in found[1]["recommendations"]] == found[2]["tools"] == ["balance"]
    assert found[1]["recommendations"][0]["description"] == "How much there is."
    assert [tool["function"]["name"] for tool in offered] == ["balance", "Finish"]
    assert wanted == [("money?", 2), ("nothing", 16)]
    assert (names(nothing)[-1], nothing[-1]["code"]) == ("on_error", "failed")
