"""Blueprints against tools that do not do as planned: nothing that is not true gets through."""

import asyncio
import copy
import itertools
from collections.abc import Mapping
from typing import Any

from octupus.agent.generate.blueprint import Blueprint, Turn
from octupus.agent.generate.changes import ANY
from octupus.agent.generate.execute import Executed, execute
from octupus.agent.generate.library import Library
from octupus.agent.generate.links import PlannedCall, call, refused
from octupus.agent.generate.reasons import Drop, Reason
from octupus.agent.tools.toolbox import State, ToolResult
from octupus.conversation import json_text
from tests.agent.in_process_source import InProcessSource, tool

CHANCE = itertools.count()


def take(arguments: dict[str, Any], state: State) -> Any:
    if arguments["number"] > state["left"]:
        raise ValueError(f"only {state['left']} are left")
    state["left"] -= arguments["number"]
    return {"left": state["left"]}


def count(arguments: dict[str, Any], state: State) -> Any:
    return {"left": state["left"], "boxes": [{"name": "a", "id": 1}, {"name": "b", "id": 2}]}


def chance(arguments: dict[str, Any], state: State) -> Any:
    return next(CHANCE)


def spoil(arguments: dict[str, Any], state: State) -> Any:
    state["left"] = -1
    state["log"] = "x"
    return "ok"


class LeakySource(InProcessSource):
    """Keeps what a call that is refused has changed."""

    async def call(self, name: str, arguments: Mapping[str, Any], state: State) -> tuple[ToolResult, State]:
        result, after = await super().call(name, arguments, copy.deepcopy(state))
        return result, after if result.ok else {**state, "leaked": True}


def library(kind: type[InProcessSource] = InProcessSource) -> Library:
    functions = [
        (tool("take", number="integer"), take),
        (tool("count"), count),
        (tool("chance"), chance),
        (tool("spoil"), spoil),
    ]
    return Library({"box": kind.of(*functions, initial=lambda seed: {"left": 10 + seed}, collection="box")})


def outcome(
    *steps: list[PlannedCall],
    changes: Mapping[str, Any] | None = None,
    reply: str = "",
    told: Mapping[str, Any] | None = None,
    kind: type[InProcessSource] = InProcessSource,
) -> Executed | Drop:
    turn = Turn("do it", (), steps=tuple(tuple(step) for step in steps), reply=reply, told=told or {})
    planned = Blueprint("multi_step", "en", 5, ("s",), ("box",), (), (turn,), changes or {})
    return asyncio.run(execute(planned, library(kind)))


def reason(result: Executed | Drop) -> Reason:
    assert isinstance(result, Drop), result
    assert result.detail
    return result.reason


def test_what_goes_as_planned_is_kept_with_its_results_and_state() -> None:
    counted = call("count")
    taken = call("take", number=counted["boxes"].where(name="b")["id"])
    result = outcome([counted], [taken], changes={"box/left": 13}, reply="{n} left", told={"n": taken["left"]})
    assert isinstance(result, Executed)
    assert result.turns[0].reply == "13 left"
    assert result.state == {"box": {"left": 13}}
    assert [(made.tool, made.arguments) for made in result.made()] == [("count", "{}"), ("take", '{"number": 2}')]


def test_a_call_that_fails_or_does_not() -> None:
    assert reason(outcome([call("take", number=99)])) is Reason.CALL_FAILED
    assert reason(outcome([call("take", number="1")])) is Reason.CALL_FAILED
    assert reason(outcome([call("nothing")])) is Reason.CALL_FAILED
    assert reason(outcome([refused("take", number=1)])) is Reason.CALL_SUCCEEDED
    # A call that breaks the schema never reached its tool, so the tool has refused nothing.
    assert reason(outcome([refused("take", number="1")])) is Reason.CALL_SUCCEEDED
    assert isinstance(outcome([refused("take", number=99)]), Executed)
    assert reason(outcome([refused("take", number=99)], kind=LeakySource)) is Reason.REFUSAL_CHANGED


def test_the_final_state_is_the_one_that_was_meant() -> None:
    assert reason(outcome([call("take", number=1)])) is Reason.UNEXPECTED_STATE
    assert reason(outcome([call("take", number=1)], changes={"box/left": 15})) is Reason.UNEXPECTED_STATE
    assert reason(outcome([call("count")], changes={"box/left": ANY})) is Reason.UNEXPECTED_STATE
    assert reason(outcome([call("spoil")], changes={"box/left": -1})) is Reason.UNEXPECTED_STATE


def test_a_result_of_chance_is_found_by_executing_again() -> None:
    assert reason(outcome([call("chance")])) is Reason.NOT_REPEATED


def test_a_link_to_what_is_not_there_or_comes_at_the_same_time() -> None:
    counted = call("count")
    assert reason(outcome([counted], [call("take", number=counted["right"])])) is Reason.BROKEN_LINK
    assert reason(outcome([counted, call("take", number=counted["left"])])) is Reason.BROKEN_LINK
    assert reason(outcome([counted], reply="{n}", told={"n": counted["boxes"][7]})) is Reason.BROKEN_LINK


def test_the_id_is_of_what_was_done() -> None:
    def done(number: int, reply: str) -> Executed:
        result = outcome([call("take", number=number)], changes={"box/left": ANY}, reply=reply)
        assert isinstance(result, Executed)
        return result

    assert done(1, "a").id == done(1, "b").id != done(2, "a").id
    assert json_text(done(1, "a").state) == json_text(done(1, "b").state)
