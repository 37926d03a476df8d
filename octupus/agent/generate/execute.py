"""Blueprints executed: every call is made for real, and again from the first state, so that chance decides nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from octupus.agent.environment import Environment
from octupus.agent.generate.blueprint import Blueprint, Turn
from octupus.agent.generate.changes import state_sha256, unexpected
from octupus.agent.generate.library import Library
from octupus.agent.generate.links import LinkError, PlannedCall, resolved
from octupus.agent.generate.reasons import Drop, Reason
from octupus.agent.generate.wording import Shown, filled, shown
from octupus.agent.tools.status import Status
from octupus.agent.tools.toolbox import ToolResult
from octupus.conversation import json_text
from octupus.data.sources.turns import in_schema_order


@dataclass(frozen=True, slots=True)
class MadeCall:
    """A call with the arguments that it was made with, as JSON text, and what it gave."""

    tool: str
    arguments: str
    result: ToolResult


@dataclass(frozen=True, slots=True)
class MadeTurn:
    """A turn as it came out."""

    user: str
    steps: tuple[tuple[MadeCall, ...], ...]
    reply: str
    answers: tuple[str, ...]
    """What a right answer holds."""


@dataclass(frozen=True, slots=True)
class Executed:
    """A blueprint whose calls all went as planned."""

    blueprint: Blueprint
    turns: tuple[MadeTurn, ...]
    state: Mapping[str, Any]
    """Final states of the modules whose tools were called."""

    @property
    def id(self) -> str:
        """sha256 of the calls and their results: what was done, in whatever words, with whatever else was offered.

        Where nothing is called it is of the scenarios and the user's words.
        """
        made = [[made.tool, made.arguments, made.result.text] for made in self.made()]
        done: list[Any] = [self.blueprint.shape, made or [turn.user for turn in self.turns]]
        return hashlib.sha256(json_text([self.blueprint.scenarios, done]).encode()).hexdigest()

    @property
    def state_sha256(self) -> str:
        """Of the final states."""
        return state_sha256(self.state)

    def made(self) -> list[MadeCall]:
        """All calls in the order in which they were made."""
        return [made for turn in self.turns for step in turn.steps for made in step]


async def execute(blueprint: Blueprint, library: Library) -> Executed | Drop:
    """Make every call of the blueprint in a fresh environment, twice; or say what did not go as planned."""
    environment = await library.environment(blueprint.modules, blueprint.seed)
    before = environment.state()
    results: dict[PlannedCall, Any] = {}
    turns: list[MadeTurn] = []
    try:
        for turn in blueprint.turns:
            steps: list[tuple[MadeCall, ...]] = []
            for step in turn.steps:
                made = await _make(step, environment, results)
                if isinstance(made, Drop):
                    return made
                steps.append(made)
            turns.append(_told(turn, tuple(steps), results, blueprint))
    except LinkError as error:
        return Drop(Reason.BROKEN_LINK, str(error))
    wrong = unexpected(before, environment.state(), blueprint.changes)
    if wrong:
        return Drop(Reason.UNEXPECTED_STATE, wrong)
    executed = Executed(blueprint, tuple(turns), environment.state())
    differs = await repeated(executed.made(), executed.state_sha256, await _again(blueprint, library))
    return Drop(Reason.NOT_REPEATED, differs) if differs else executed


async def repeated(calls: list[MadeCall], expected_state: str, environment: Environment) -> str:
    """Make calls again in a fresh environment; gives what came out otherwise, or nothing."""
    for made in calls:
        result = await environment.call(made.tool, made.arguments)
        if result != made.result:
            return f"{made.tool} {made.arguments} gave {made.result.text[:200]} first and {result.text[:200]} then"
    if state_sha256(environment.state()) != expected_state:
        return "the final state is another"
    return ""


async def _again(blueprint: Blueprint, library: Library) -> Environment:
    return await library.environment(blueprint.modules, blueprint.seed)


async def _make(
    step: tuple[PlannedCall, ...], environment: Environment, results: dict[PlannedCall, Any]
) -> tuple[MadeCall, ...] | Drop:
    """The calls of one assistant message. None may depend on another: their results are known only afterwards."""
    schemas = {tool.function.name: tool.function.parameters for tool in environment.tools}
    made: list[MadeCall] = []
    found: dict[PlannedCall, Any] = {}
    for planned in step:
        arguments = in_schema_order(resolved(planned.arguments, results), schemas.get(planned.tool))
        text = json_text(arguments)
        before = environment.snapshot()
        result = await environment.call(planned.tool, text)
        made.append(MadeCall(planned.tool, text, result))
        if planned.fails:
            if result.status is not Status.TOOL_ERROR:
                return Drop(Reason.CALL_SUCCEEDED, f"{planned.tool} {text}: {result.status.name} {result.text[:200]}")
            if json_text(environment.snapshot()) != json_text(before):
                return Drop(Reason.REFUSAL_CHANGED, f"{planned.tool} {text}")
        elif not result.ok:
            return Drop(Reason.CALL_FAILED, f"{planned.tool} {text}: {result.status.name} {result.text[:200]}")
        else:
            found[planned] = json.loads(result.text)
    results.update(found)
    return tuple(made)


def _told(
    turn: Turn, steps: tuple[tuple[MadeCall, ...], ...], results: Mapping[PlannedCall, Any], blueprint: Blueprint
) -> MadeTurn:
    values: dict[str, str] = {}
    for name, value in turn.told.items():
        if isinstance(value, Shown):
            values[name] = value.form(resolved(value.value, results), blueprint.language)
        else:
            values[name] = shown(resolved(value, results), blueprint.language)
    reply = filled(turn.reply, values, blueprint.language)
    return MadeTurn(turn.user, steps, reply, tuple(_texts(resolved(turn.answers, results))))


def _texts(answer: Any) -> list[str]:
    """The texts of an answer: of a list, of every member."""
    if isinstance(answer, list):
        return [text for member in answer for text in _texts(member)]
    return [shown(answer)]
