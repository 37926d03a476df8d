"""Blueprints from scenarios: one goal or several, with a value left out, a tool missing, or a call that goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from octupus.agent.generate.blueprint import Blueprint, Goal, Request, Shape, Turn
from octupus.agent.generate.library import Library
from octupus.agent.generate.mistakes import with_mistake
from octupus.agent.generate.scenario import Draw, NotPossible, Scenario
from octupus.agent.generate.wording import Language, filled, framed, names, shown
from octupus.data.augment.missing_parameter import ANSWERS, QUESTIONS

CANNOT: dict[Language, tuple[str, ...]] = {
    "en": (
        "I'm sorry, but none of the tools I have can {ability}.",
        "Unfortunately I have no tool to {ability}.",
        "I can't {ability}: none of my tools does that.",
        "That is not possible here, since I have no tool that can {ability}.",
        "Sorry, I'm not able to {ability} with the tools I've been given.",
    ),
    "zh": (
        "抱歉，我现有的工具无法{ability}。",
        "很遗憾，我没有可以{ability}的工具。",
        "不好意思，目前提供的工具都不能{ability}。",
        "我这里没有能够{ability}的工具，所以无法完成这个请求。",
    ),
}
MOST_MODULES = 4
"""Modules whose tools one conversation calls, at the most."""


async def blueprint(
    shape: Shape, scenarios: Sequence[Scenario], library: Library, random: Random, language: Language, seed: int
) -> Blueprint:
    """A blueprint of this shape, of scenarios whose modules the library has. Raises NotPossible."""
    builder = _Builder(shape, scenarios, library, random, language, seed)
    return await builder.build()


class _Builder:
    def __init__(
        self,
        shape: Shape,
        scenarios: Sequence[Scenario],
        library: Library,
        random: Random,
        language: Language,
        seed: int,
    ) -> None:
        self._shape = shape
        self._scenarios = [
            each for each in scenarios if language in each.languages and set(each.modules) <= set(library.modules)
        ]
        self._library = library
        self._random = random
        self._language: Language = language
        self._seed = seed

    async def build(self) -> Blueprint:
        if self._shape == "missing_tool":
            return await self._missing_tool()
        if self._shape == "missing_parameter":
            return await self._missing_parameter()
        if self._shape == "error_correction":
            return await self._error_correction()
        own = [each for each in self._scenarios if each.shape == self._shape]
        if self._shape == "multi_turn" and (not own or self._random.random() < 0.5):
            return await self._sequence()
        chosen = self._one(own)
        goal = await self._goal(chosen)
        return self._made([chosen], [goal], self._turns([goal]))

    async def _sequence(self) -> Blueprint:
        """Two or three goals, one after the other, each drawn from the first states: those that clash are dropped."""
        usable = [each for each in self._scenarios if each.shape in ("single", "parallel", "multi_step")]
        chosen = [self._one(usable)]
        wanted = self._random.choice((2, 2, 3))
        while len(chosen) < wanted:
            modules = {module for each in chosen for module in each.modules}
            others = [each for each in usable if each not in chosen and len(modules | {*each.modules}) <= MOST_MODULES]
            near = [each for each in others if modules & {*each.modules}]
            chosen.append(self._one(near if near and self._random.random() < 0.7 else others))
        goals = [await self._goal(each) for each in chosen]
        return self._made(chosen, goals, self._turns(goals))

    async def _missing_parameter(self) -> Blueprint:
        usable = [each for each in self._scenarios if each.shape != "error_correction"]
        chosen = self._one(usable)
        goal = await self._goal(chosen)
        possible = [
            (request, name)
            for request in goal.requests
            for name in request.omissible
            if request.asked.templates(self._language, without=name)
        ]
        where, name = self._one(possible)
        turns: list[Turn] = []
        for request in goal.requests:
            if request is where:
                turns += self._asking(request, name, later=bool(turns))
            else:
                turns.append(self._turn(request, later=bool(turns)))
        return self._made([chosen], [goal], turns)

    def _asking(self, request: Request, name: str, later: bool) -> list[Turn]:
        """The request without a value and the question for it; then the value, and what follows."""
        value = shown(request.values[name], self._language)
        phrase = request.omissible[name]
        wanted = phrase.en if self._language == "en" else phrase.zh
        question = self._random.choice(QUESTIONS[self._language]).replace("{wanted}", wanted)
        answer = self._random.choice(ANSWERS[self._language]).replace("{value}", value)
        asked = self._turn(request, later, without=name)
        first = Turn(asked.user, asked.said, unsaid=(value,), reply=question)
        return [first, replace(asked, user=answer, said=(value,))]

    async def _missing_tool(self) -> Blueprint:
        impossible = self._one([each for each in self._scenarios if each.shape != "error_correction"])
        request = (await self._goal(impossible)).requests[0]
        closed = {*impossible.modules, *impossible.like}
        done: list[Scenario] = []
        goals: list[Goal] = []
        if self._random.random() < 0.7:
            usable = [
                each
                for each in self._scenarios
                if each.shape in ("single", "parallel", "multi_step") and not closed & {*each.modules}
            ]
            done.append(self._one(usable))
            goals.append(await self._goal(done[0]))
        before = bool(goals) and self._random.random() < 0.5
        turns = self._turns(goals) if before else []
        ability = impossible.ability[0 if self._language == "en" else 1]
        reply = self._random.choice(CANNOT[self._language]).replace("{ability}", ability)
        asked = self._turn(request, later=before)
        turns.append(Turn(asked.user, asked.said, reply=reply))
        turns += [] if before else self._turns(goals, later=True)
        made = self._made(done, goals, turns)
        names_of_all = (*made.scenarios, f"without:{impossible.name}")
        return replace(made, scenarios=names_of_all, closed=tuple(sorted({*made.closed, *closed})))

    async def _error_correction(self) -> Blueprint:
        own = [each for each in self._scenarios if each.shape == "error_correction"]
        if own and self._random.random() < 0.5:
            chosen = self._one(own)
            goal = await self._goal(chosen)
        else:
            chosen = self._one([each for each in self._scenarios if each.shape in ("single", "multi_step")])
            goal = await self._goal(chosen)
            request = self._one(goal.requests)
            steps = with_mistake(request, self._random)
            goal = Goal(
                [replace(each, steps=steps) if each is request else each for each in goal.requests], goal.changes
            )
        return self._made([chosen], [goal], self._turns([goal]))

    async def _goal(self, scenario: Scenario) -> Goal:
        states = await self._library.states(scenario.modules, self._seed)
        return scenario.sample(Draw(self._random, self._language, states))

    def _turns(self, goals: Sequence[Goal], later: bool = False) -> list[Turn]:
        turns: list[Turn] = []
        for goal in goals:
            for request in goal.requests:
                turns.append(self._turn(request, later or bool(turns)))
        return turns

    def _turn(self, request: Request, later: bool, without: str | None = None) -> Turn:
        template = self._one(request.asked.templates(self._language, without))
        text = filled(template, request.values, self._language)
        return Turn(
            user=framed(text, self._random, self._language, later),
            said=tuple(shown(request.values[name], self._language) for name in sorted(names(template))),
            steps=tuple(tuple(step) for step in request.steps),
            reply=self._one(request.told.templates(self._language)),
            told={**request.values, **request.results},
            answers=tuple(request.answers),
        )

    def _made(self, scenarios: Sequence[Scenario], goals: Sequence[Goal], turns: Sequence[Turn]) -> Blueprint:
        return Blueprint(
            shape=self._shape,
            language=self._language,
            seed=self._seed,
            scenarios=tuple(each.name for each in scenarios),
            modules=tuple(sorted({module for each in scenarios for module in each.modules})),
            closed=tuple(sorted({module for each in scenarios for module in each.like})),
            turns=tuple(turns),
            changes={place: value for goal in goals for place, value in goal.changes.items()},
        )

    def _one(self, items: Sequence[Any]) -> Any:
        if not items:
            raise NotPossible
        return self._random.choice(items)
