"""Whatever a tool does, its call has a result, its state stays as it was, and the next call works."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from octupus.agent.tools.python_source import PythonSource
from octupus.agent.tools.status import Status
from tests.agent.sandbox.harness import run, sandbox

STATE = {"items": [5], "seed": 1}


def test_state_comes_back_changed_and_the_given_one_stays() -> None:
    async def test(source: PythonSource) -> None:
        given = await source.initial_state(3)
        assert given == {"seed": 3, "items": []}
        result, after = await source.call("add", {"number": 4}, given)
        assert (result.status, json.loads(result.text)) == (Status.OK, {"items": 1})
        assert after == {"seed": 3, "items": [4]}
        assert given == {"seed": 3, "items": []}
        # A tool that looks alone gives the very state back.
        result, same = await source.call("echo", {"value": 1}, after)
        assert same is after

    run(test)


def test_a_call_that_fails_changes_nothing() -> None:
    async def test(source: PythonSource) -> None:
        for tool, arguments, status, said in (
            ("add_then_raise", {"number": 1}, Status.TOOL_ERROR, "LookupError: there is no such number"),
            ("add_then_vanish", {"number": 1}, Status.REQUEST_ERROR, "exit status 3"),
            ("spoil_state", {"how": "tuple"}, Status.REQUEST_ERROR, "tuple"),
            ("spoil_state", {"how": "key"}, Status.REQUEST_ERROR, "no JSON"),
            ("spoil_state", {"how": "nan"}, Status.REQUEST_ERROR, "no JSON"),
            ("spoil_state", {"how": "cycle"}, Status.REQUEST_ERROR, "no JSON"),
            ("spoil_state", {"how": "set"}, Status.REQUEST_ERROR, "no JSON"),
        ):
            given = json.loads(json.dumps(STATE))
            result, after = await source.call(tool, arguments, given)
            assert result.status == status, result
            assert said in result.text
            assert after is given
            assert given == STATE

    run(test)


MISBEHAVIOUR = (
    ("crash", {"how": "abort"}, Status.REQUEST_ERROR, "SIGABRT"),
    ("crash", {"how": "segfault"}, Status.REQUEST_ERROR, "SIGSEGV"),
    ("crash", {"how": "kill"}, Status.REQUEST_ERROR, "SIGKILL"),
    ("crash", {"how": "exit"}, Status.REQUEST_ERROR, "exit status 7"),
    ("crash", {"how": "interrupt"}, Status.REQUEST_ERROR, "KeyboardInterrupt"),
    ("crash", {"how": "close"}, Status.REQUEST_ERROR, "closed"),
    ("fail", {"how": "recursion"}, Status.TOOL_ERROR, "RecursionError"),
    ("fail", {"how": "unspeakable"}, Status.TOOL_ERROR, "Unspeakable"),
    ("fail", {"how": "surrogate"}, Status.TOOL_ERROR, "a lone"),
    ("fail", {"how": "long"}, Status.TOOL_ERROR, "ValueError: long long"),
    ("give", {"what": "nan"}, Status.REQUEST_ERROR, "no JSON"),
    ("give", {"what": "infinity"}, Status.REQUEST_ERROR, "no JSON"),
    ("give", {"what": "bytes"}, Status.REQUEST_ERROR, "no JSON"),
    ("give", {"what": "set"}, Status.REQUEST_ERROR, "no JSON"),
    ("give", {"what": "cycle"}, Status.REQUEST_ERROR, "no JSON"),
    ("give", {"what": "object"}, Status.REQUEST_ERROR, "no JSON"),
    ("give", {"what": "surrogate"}, Status.REQUEST_ERROR, "no JSON"),
    ("give", {"what": "deep"}, Status.REQUEST_ERROR, "no JSON"),
    ("give_bytes", {"count": 100_000_000}, Status.REQUEST_ERROR, "100000002 bytes"),
    ("allocate", {"mib": 10_240}, Status.REQUEST_ERROR, "512 MiB of memory"),
    ("allocate_by_blocks", {"mib": 10_240}, Status.REQUEST_ERROR, "512 MiB of memory"),
    ("forge", {"text": "garbage that is no frame of any kind"}, Status.REQUEST_ERROR, "no result"),
    ("forge", {"text": "\0" * 15 + "\x01"}, Status.REQUEST_ERROR, "no result"),
)


def test_misbehaviour_is_a_result() -> None:
    async def test(source: PythonSource) -> None:
        for tool, arguments, status, said in MISBEHAVIOUR:
            result, after = await source.call(tool, arguments, STATE)
            assert result.status == status, (tool, arguments, result)
            assert said in result.text, (tool, arguments, result)
            assert len(result.text) < 1200
            assert after is STATE

    run(test)


def test_tools_that_hang_are_stopped_in_time_and_hold_up_nobody() -> None:
    async def test(source: PythonSource) -> None:
        began = time.monotonic()
        hanging = [asyncio.create_task(source.call(tool, {}, STATE)) for tool in ("hang", "spin")]
        outcomes = await asyncio.gather(*hanging)
        assert time.monotonic() - began < 2 * 2 + 5
        for result, after in outcomes:
            assert result.status == Status.TIMEOUT
            assert "2 s" in result.text
            assert after is STATE

    run(test, timeout_s=2)


def test_a_cancelled_call_is_stopped() -> None:
    async def test(source: PythonSource) -> None:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await source.call("hang", {}, None)
        # More hanging calls than may run at once would keep this one waiting.
        async with asyncio.timeout(20):
            result, _ = await source.call("count_calls", {}, None)
        assert result.ok

    run(test, timeout_s=60)


def test_what_a_call_leaves_in_its_module_is_gone_for_the_next() -> None:
    async def test(source: PythonSource) -> None:
        for _ in range(3):
            result, _ = await source.call("count_calls", {}, None)
            assert result.text == "1"

    run(test)


def test_printing_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    async def test(source: PythonSource) -> None:
        result, _ = await source.call("say_garbage", {}, None)
        assert result.text == '"said"'

    run(test)
    assert capfd.readouterr() == ("", "")


def test_what_is_allowed_works() -> None:
    async def test(source: PythonSource) -> None:
        for tool, arguments, expected in (
            ("use_threads", {"count": 12}, 12),
            ("waited", {}, "waited"),
            ("third", {}, "0." + "3" * 50),
            ("allocate", {"mib": 300}, 300 * 1024 * 1024),
            ("echo", {"value": {"汉字": ["😀", None, 1.5, True]}}, {"汉字": ["😀", None, 1.5, True]}),
            ("give_bytes", {"count": 256 * 1024 - 2}, "x" * (256 * 1024 - 2)),
        ):
            result, _ = await source.call(tool, arguments, None)
            assert result.status == Status.OK, (tool, result)
            assert json.loads(result.text) == expected

    run(test)


def test_equal_calls_draw_equal_random_numbers() -> None:
    async def test(source: PythonSource) -> None:
        drawn = {(await source.call("drawn", {}, None))[0].text for _ in range(3)}
        assert len(drawn) == 1

    run(test)


def test_many_calls_at_once_keep_apart() -> None:
    async def test(source: PythonSource) -> None:
        outcomes = await asyncio.gather(
            *(source.call("add", {"number": number}, {"items": list(range(number))}) for number in range(40))
        )
        for number, (result, after) in enumerate(outcomes):
            assert json.loads(result.text) == {"items": number + 1}
            assert after == {"items": list(range(number + 1))}

    run(test)


def test_any_json_goes_through_unchanged() -> None:
    leaves: SearchStrategy[Any] = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
    )
    values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
    examples: list[Any] = []

    @settings(max_examples=60, deadline=None, database=None)
    @given(values)
    def collect(value: Any) -> None:
        examples.append(value)

    collect()

    async def test(source: PythonSource) -> None:
        result, state = await source.call("echo", {"value": examples}, None)
        assert result.ok, result
        assert json.loads(result.text) == examples
        _, state = await source.call("add", {"number": 1}, {"items": examples})
        assert state == {"items": [*examples, 1]}

    run(test)


def test_a_closed_sandbox_says_so_and_closes_again() -> None:
    async def test() -> None:
        async with sandbox() as source:
            await source.close()
            result, after = await source.call("add", {"number": 1}, STATE)
            assert result.status == Status.REQUEST_ERROR
            assert "closed" in result.text
            assert after is STATE
            await source.close()

    asyncio.run(test())
