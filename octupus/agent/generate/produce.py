"""Conversations one after the other: drawn, executed, checked, and no two alike. No files."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from octupus.agent.generate.acceptance import fault
from octupus.agent.generate.blueprint import Shape
from octupus.agent.generate.compose import SYSTEM_PROMPTS, conversation, offered_tools
from octupus.agent.generate.config import GenerateConfig
from octupus.agent.generate.execute import Executed, execute
from octupus.agent.generate.library import Library
from octupus.agent.generate.reasons import Drop, Reason
from octupus.agent.generate.scenario import NotPossible, Scenario
from octupus.agent.generate.shapes import blueprint
from octupus.agent.generate.simulate import Phraser
from octupus.agent.generate.wording import Language
from octupus.conversation import Conversation

Kind = TypeVar("Kind", bound=str)


@dataclass(frozen=True, slots=True)
class Produced:
    """A conversation, and what it was executed as."""

    conversation: Conversation
    executed: Executed


@dataclass(slots=True)
class Counts:
    """Every blueprint that was tried is either kept or dropped for one reason."""

    tried: int = 0
    kept: int = 0
    dropped: Counter[Reason] = field(default_factory=Counter)
    unfilled: Counter[Shape] = field(default_factory=Counter)
    """Conversations that no attempt came to."""
    examples: dict[Reason, str] = field(default_factory=dict)
    """The first detail of each reason."""

    def drop(self, drop: Drop) -> None:
        """Count one more blueprint that is not kept."""
        self.tried += 1
        self.dropped[drop.reason] += 1
        self.examples.setdefault(drop.reason, drop.detail)


def shares(weights: dict[Kind, float], count: int) -> list[Kind]:
    """`count` names, each as often as its weight says, by largest remainder."""
    total = sum(weights.values())
    exact = {name: count * weight / total for name, weight in weights.items()}
    whole = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: whole[name] - exact[name])
    for name in by_remainder[: count - sum(whole.values())]:
        whole[name] += 1
    return [name for name, number in whole.items() for _ in range(number)]


class Producer:
    """Makes the conversations of a configuration. What it gives depends on that alone, not on what runs at once."""

    def __init__(
        self,
        config: GenerateConfig,
        library: Library,
        scenarios: Sequence[Scenario],
        phraser: Phraser | None = None,
    ) -> None:
        self._config = config
        self._library = library
        self._scenarios = scenarios
        self._phraser = phraser
        self._shapes: list[Shape] = shares(config.shapes, config.count)
        self._languages: list[Language] = shares(config.languages, config.count)
        Random(f"{config.seed}:shapes").shuffle(self._shapes)
        Random(f"{config.seed}:languages").shuffle(self._languages)
        self.counts = Counts()

    async def produce(self) -> AsyncIterator[Produced]:
        """All of them, in an order that does not change."""
        seen: set[str] = set()
        for start in range(0, self._config.count, self._config.concurrency):
            slots = range(start, min(start + self._config.concurrency, self._config.count))
            attempts = await asyncio.gather(*(self._next(slot, 0) for slot in slots))
            for slot, attempt in zip(slots, attempts, strict=True):
                made = await self._new(slot, attempt, seen)
                if made is not None:
                    yield made

    async def _new(self, slot: int, attempt: _Attempt, seen: set[str]) -> Produced | None:
        """The slot's first conversation that is not there yet."""
        while True:
            for drop in attempt.dropped:
                self.counts.drop(drop)
            made = attempt.made
            if made is None:
                self.counts.unfilled[self._shapes[slot]] += 1
                return None
            ids = {made.executed.id, made.conversation.id}
            if not ids & seen:
                seen |= ids
                self.counts.tried += 1
                self.counts.kept += 1
                return made
            self.counts.drop(Drop(Reason.DUPLICATE, f"{', '.join(made.executed.blueprint.scenarios)}"))
            attempt = await self._next(slot, attempt.following)

    async def _next(self, slot: int, first: int) -> _Attempt:
        """The first attempt from `first` on that comes to a conversation."""
        dropped: list[Drop] = []
        for number in range(first, self._config.attempts):
            made = await self._attempt(slot, number)
            if isinstance(made, Produced):
                return _Attempt(made, dropped, number + 1)
            dropped.append(made)
        return _Attempt(None, dropped, self._config.attempts)

    async def _attempt(self, slot: int, number: int) -> Produced | Drop:
        config = self._config
        random = Random(f"{config.seed}:{slot}:{number}")
        seed = config.seed + random.randrange(config.states)
        language = self._languages[slot]
        try:
            planned = await blueprint(self._shapes[slot], self._scenarios, self._library, random, language, seed)
        except NotPossible:
            return Drop(Reason.NOT_POSSIBLE, self._shapes[slot])
        distractors = random.randint(0 if planned.modules else 1, max(1, config.distractors))
        tools = offered_tools(planned, self._library, distractors, config.tools_most, random)
        if not tools:
            return Drop(Reason.NO_TOOLS, ", ".join(planned.scenarios))
        system = random.choice(SYSTEM_PROMPTS[language]) if random.random() < config.system_prompt_share else ""
        phrased = config.phrase_with is not None and random.random() < config.phrase_with.share
        executed = await execute(planned, self._library)
        if isinstance(executed, Drop):
            return executed
        made = conversation(executed, tools, system)
        wrong = fault(made)
        if wrong:
            return wrong
        if phrased and self._phraser is not None:
            executed = await self._phraser.phrase(executed, lambda other: fault(conversation(other, tools, system)))
            made = conversation(executed, tools, system)
        return Produced(made, executed)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What the attempts of a slot came to, and which is next."""

    made: Produced | None
    dropped: list[Drop]
    following: int
