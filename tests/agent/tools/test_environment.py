"""An environment: calls as a model writes them, one state after the other, and ways back to each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octupus.agent.environment import Environment, ResultCache
from octupus.agent.tools.config import LimitsConfig
from octupus.agent.tools.python_source import library_sources
from octupus.agent.tools.status import Status
from octupus.agent.tools.toolbox import State, Toolbox, ToolEntry, ToolResult
from octupus.conversation import FunctionDefinition, Tool
from octupus.errors import ConfigError


class Counter:
    """A source in this process: counts on, after letting others run; one tool looks, one always fails."""

    restorable = True

    def __init__(self, collection: str = "counter", prefix: str = "", restorable: bool = True) -> None:
        integer = {"type": "object", "properties": {"by": {"type": "integer"}}, "required": ["by"]}
        self.restorable = restorable
        self.entries: Sequence[ToolEntry] = [
            ToolEntry(Tool(function=FunctionDefinition(name=prefix + name, parameters=schema)), collection=collection)
            for name, schema in (("add", integer), ("look", {"type": "object"}), ("fail", {"type": "object"}))
        ]
        self.calls: list[str] = []
        self.closed = 0

    async def initial_state(self, seed: int) -> State:
        return {"count": seed}

    async def call(self, name: str, arguments: Mapping[str, Any], state: State) -> tuple[ToolResult, State]:
        self.calls.append(name)
        count = state["count"]
        await asyncio.sleep(0.001)
        if name.endswith("add"):
            return ToolResult(Status.OK, str(count + arguments["by"])), {"count": count + arguments["by"]}
        if name.endswith("look"):
            return ToolResult(Status.OK, str(count)), state
        return ToolResult(Status.REQUEST_ERROR, "gone"), state

    async def close(self) -> None:
        self.closed += 1


def test_calls_go_on_from_each_other_and_back_to_a_snapshot() -> None:
    async def test() -> None:
        environment = await Environment.open(Toolbox([Counter(), Counter("other", "other_")]), seed=10)
        await environment.call("add", '{"by": 1}')
        here = environment.snapshot()
        await environment.call("add", '{"by": 5}')
        await environment.call("other_add", '{"by": 7}')
        assert environment.state() == {"counter": {"count": 16}, "other": {"count": 17}}
        environment.restore(here)
        assert environment.state() == {"counter": {"count": 11}, "other": {"count": 10}}
        assert (await environment.call("look", "{}")).text == "11"
        assert environment.statuses == {Status.OK: 4}

    asyncio.run(test())


def test_calls_at_once_lose_nothing() -> None:
    async def test() -> None:
        environment = await Environment.open(Toolbox([Counter()]))
        results = await asyncio.gather(*(environment.call("add", json.dumps({"by": 1})) for _ in range(20)))
        assert sorted(int(result.text) for result in results) == list(range(1, 21))
        assert environment.state() == {"counter": {"count": 20}}

    asyncio.run(test())


def test_a_cancelled_call_leaves_the_state_and_frees_the_environment() -> None:
    async def test() -> None:
        environment = await Environment.open(Toolbox([Counter()]))
        task = asyncio.create_task(environment.call("add", '{"by": 1}'))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await environment.call("add", '{"by": 2}')).text == "2"

    asyncio.run(test())


@pytest.mark.parametrize(
    ("name", "arguments", "status", "said"),
    [
        ("nothing", "{}", Status.UNKNOWN_TOOL, "there is no tool 'nothing'; the tools are: add, look"),
        ("", "{}", Status.UNKNOWN_TOOL, "no tool ''"),
        ("fail", "{}", Status.UNKNOWN_TOOL, "no tool 'fail'"),  # the toolbox has it, but it is not offered
        ("dd", '{"by": 1}', Status.UNKNOWN_TOOL, "no tool 'dd'"),  # not by its end, as ToolBench does
        ("add", "", Status.BAD_INPUT, "no JSON object"),
        ("add", "[1]", Status.BAD_INPUT, "not an array"),
        ("add", '{"by": 1, "by": 2}', Status.BAD_INPUT, "twice"),
        ("add", '{"by": NaN}', Status.BAD_INPUT, "NaN"),
        ("add", "[" * 100_000, Status.BAD_INPUT, "nested"),
        ("add", "{}", Status.BAD_INPUT, "break its schema"),
        ("add", '{"by": "1"}', Status.BAD_INPUT, "at /by"),
        ("add", '__import__("os")', Status.BAD_INPUT, "no JSON object"),
    ],
)
def test_what_a_model_gets_wrong_is_a_result(name: str, arguments: str, status: Status, said: str) -> None:
    async def test() -> None:
        source = Counter()
        environment = await Environment.open(Toolbox([source]), seed=1, offered=["add", "look"])
        result = await environment.call(name, arguments)
        assert result.status == status
        assert said in result.text
        assert source.calls == []
        assert environment.state() == {"counter": {"count": 1}}
        assert environment.statuses == {status: 1}

    asyncio.run(test())


@settings(max_examples=100, deadline=None, database=None)
@given(st.text(max_size=8), st.text(max_size=60))
def test_any_text_of_a_model_is_a_result(name: str, arguments: str) -> None:
    async def test() -> None:
        environment = await Environment.open(Toolbox([Counter()]))
        for called in (name, "add"):
            assert isinstance(await environment.call(called, arguments), ToolResult)

    asyncio.run(test())


def test_the_cache_knows_states_and_keeps_no_failures() -> None:
    async def test() -> None:
        source, cache = Counter(), ResultCache()
        environment = await Environment.open(Toolbox([source]), cache=cache)
        begin = environment.snapshot()
        for _ in range(2):
            environment.restore(begin)
            assert (await environment.call("add", '{"by": 1}')).text == "1"
            assert (await environment.call("add", '{ "by":1}')).text == "2"
            assert environment.state() == {"counter": {"count": 2}}
        assert source.calls == ["add", "add"]
        await environment.call("fail", "{}")
        await environment.call("fail", "{}")
        assert source.calls == ["add", "add", "fail", "fail"]
        assert (cache.hits, cache.misses) == (2, 4)

    asyncio.run(test())


def test_the_cache_lets_the_oldest_go() -> None:
    async def test() -> None:
        source = Counter()
        environment = await Environment.open(Toolbox([source]), cache=ResultCache(size=2))
        begin = environment.snapshot()
        for by in (1, 2, 1, 3, 1, 2):
            environment.restore(begin)
            await environment.call("add", json.dumps({"by": by}))
        assert len(source.calls) == 4

    asyncio.run(test())


def test_nothing_is_cached_where_a_state_is_kept_elsewhere() -> None:
    async def test() -> None:
        source = Counter(restorable=False)
        environment = await Environment.open(Toolbox([source]), cache=ResultCache())
        assert not environment.restorable
        for _ in range(2):
            environment.restore(environment.snapshot())
            await environment.call("look", "{}")
        assert source.calls == ["look", "look"]

    asyncio.run(test())


def test_two_tools_of_one_name_and_tools_that_are_not_there_are_refused() -> None:
    with pytest.raises(ConfigError, match="two tools are named add: one of counter, one of other"):
        Toolbox([Counter(), Counter("other")])
    with pytest.raises(ConfigError, match="no tool subtract"):
        asyncio.run(Environment.open(Toolbox([Counter()]), offered=["add", "subtract"]))


def test_a_toolbox_closes_all_its_sources() -> None:
    sources = [Counter(), Counter("other", "other_")]

    async def test() -> None:
        async with Toolbox(sources) as toolbox:
            assert [entry.name for entry in toolbox.entries][::3] == ["add", "other_add"]
            assert toolbox.place("other_look") == 1

    asyncio.run(test())
    assert [source.closed for source in sources] == [1, 1]


def test_an_environment_over_real_tools_repeats_itself() -> None:
    async def once() -> tuple[list[str], str]:
        sources = await library_sources(["bank"], LimitsConfig())
        async with Toolbox(sources) as toolbox:
            environment = await Environment.open(toolbox, seed=3)
            texts = [(await environment.call(entry.name, "{}")).text for entry in toolbox.entries]
            return texts, json.dumps(environment.state())

    assert asyncio.run(once()) == asyncio.run(once())
