"""Every scenario, in both languages: it executes, asks for what its tools need, and says what is true."""

import asyncio
from random import Random

import pytest

from octupus.agent.generate.acceptance import fault
from octupus.agent.generate.blueprint import Blueprint, Goal, Turn, shape_of
from octupus.agent.generate.compose import conversation
from octupus.agent.generate.execute import Executed, execute
from octupus.agent.generate.links import links
from octupus.agent.generate.reasons import Drop, Reason
from octupus.agent.generate.scenario import Draw, NotPossible, Scenario
from octupus.agent.generate.scenarios import SCENARIOS
from octupus.agent.generate.wording import Language, Shown, filled, names, shown
from octupus.agent.library.catalogue import MODULES
from octupus.conversation import json_text
from tests.agent.generate.in_process_library import in_process_library

LIBRARY = in_process_library()
SEEDS = range(25)


def goals(scenario: Scenario, language: Language) -> list[tuple[int, Goal]]:
    """Goals of some seeds, at most four."""
    found: list[tuple[int, Goal]] = []
    for seed in SEEDS:
        states = asyncio.run(LIBRARY.states(scenario.modules, seed))
        try:
            found.append((seed, scenario.sample(Draw(Random(seed), language, states))))
        except NotPossible:
            continue
        if len(found) == 4:
            break
    return found


def blueprint(scenario: Scenario, goal: Goal, language: Language, seed: int, template: int) -> Blueprint:
    turns = []
    for request in goal.requests:
        asked, told = request.asked.templates(language), request.told.templates(language)
        chosen = asked[template % len(asked)]
        turns.append(
            Turn(
                user=filled(chosen, request.values, language),
                said=(),
                steps=tuple(tuple(step) for step in request.steps),
                reply=told[template % len(told)],
                told={**request.values, **request.results},
                answers=tuple(request.answers),
            )
        )
    modules = tuple(sorted(scenario.modules))
    return Blueprint(scenario.shape, language, seed, (scenario.name,), modules, (), tuple(turns), goal.changes)


def test_there_are_enough_and_they_reach_every_module() -> None:
    assert len(SCENARIOS) >= 25
    assert {module for scenario in SCENARIOS.values() for module in scenario.modules} == set(MODULES)
    assert all(set(scenario.like) <= set(MODULES) for scenario in SCENARIOS.values())


@pytest.mark.parametrize(
    ("name", "language"), [(name, language) for name, each in SCENARIOS.items() for language in each.languages]
)
def test_a_scenario_executes_and_passes_the_data_line(name: str, language: Language) -> None:
    scenario = SCENARIOS[name]
    sampled = goals(scenario, language)
    assert sampled
    faults: list[Drop] = []
    kept = 0
    for template, (seed, goal) in enumerate(sampled):
        assert shape_of(goal.requests) == scenario.shape
        assert goal.changes or goal.requests[-1].answers, "nothing is changed and nothing is asked"
        planned = blueprint(scenario, goal, language, seed, template)
        executed = asyncio.run(execute(planned, LIBRARY))
        if isinstance(executed, Drop):
            faults.append(executed)
            continue
        tools = tuple(tool for module in planned.modules for tool in LIBRARY.tools(module))
        wrong = fault(conversation(executed, tools))
        # A text of nothing but foreign names reads as English; such conversations are dropped and counted.
        if wrong and wrong.reason is not Reason.LANGUAGE:
            faults.append(wrong)
        kept += wrong is None
        _says_what_is_true(executed)
    # A state may have taken the hotel's last room.
    assert all(drop.reason in (Reason.CALL_FAILED, Reason.BROKEN_LINK) for drop in faults), faults
    assert kept > 0, faults


def _says_what_is_true(executed: Executed) -> None:
    """Every answer stands in a result of its turn or of one before it, and in the reply or a part of it."""
    results = ""
    for turn in executed.turns:
        results += "".join(made.result.text for step in turn.steps for made in step)
        for answer in turn.answers:
            assert json_text(answer)[1:-1] in results


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_templates_and_values_fit_each_other(name: str) -> None:
    scenario = SCENARIOS[name]
    for language in scenario.languages:
        for _, goal in goals(scenario, language)[:2]:
            for request in goal.requests:
                known = {*request.values, *request.results}
                for template in request.told.templates(language):
                    assert names(template) <= known
                for template in request.asked.templates(language):
                    # What a call is given and no earlier call gives, every way of asking says.
                    assert names(template) == set(request.values), template
                for omitted in request.omissible:
                    assert omitted in request.values
                    assert request.asked.templates(language, without=omitted), (omitted, language)


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_what_may_be_left_out_is_required_by_a_tool(name: str) -> None:
    scenario = SCENARIOS[name]
    required = {
        tool.function.name: set(tool.function.parameters.get("required", []))
        for module in scenario.modules
        for tool in LIBRARY.tools(module)
    }
    for _, goal in goals(scenario, "en")[:2]:
        for request in goal.requests:
            for omitted in request.omissible:
                value = request.values[omitted]
                given = [
                    argument in required[planned.tool]
                    for step in request.steps
                    for planned in step
                    for argument, inner in planned.arguments.items()
                    if inner == value or value in _looked_up_by(inner)
                ]
                assert any(given), f"{omitted} can be left out, but no tool needs it"


def _looked_up_by(value: object) -> list[object]:
    """What chooses among records: as needed as if it were an argument."""
    found: list[object] = []
    for link in links(value):
        for step in link.path:
            found += [inner for _, inner in getattr(step, "values", ())]
    return found


def test_shown_values_are_told_in_both_languages() -> None:
    assert shown(["a", 2], "zh") == "a、2"
    assert Shown([1], lambda value, language: f"{len(value)} {language}").form([1], "zh") == "1 zh"
