"""Scenarios: what people want of the shipped tools, drawn from the states that these begin in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from octupus.agent.generate.blueprint import Goal, Shape
from octupus.agent.generate.wording import Language

Item = TypeVar("Item")


class NotPossible(Exception):
    """The states hold nothing that the scenario could be about."""


@dataclass(frozen=True, slots=True)
class Draw:
    """What a scenario draws from. It changes no state."""

    random: Random
    language: Language
    states: Mapping[str, Any]
    """The states of the scenario's modules, by module."""

    def one(self, items: Sequence[Item]) -> Item:
        """One of them. Raises NotPossible when there is none."""
        if not items:
            raise NotPossible
        return self.random.choice(items)

    def some(self, items: Sequence[Item], number: int) -> list[Item]:
        """So many different ones. Raises NotPossible when there are fewer."""
        if len(items) < number:
            raise NotPossible
        return self.random.sample(items, number)

    def worded(self, texts: tuple[str, str]) -> str:
        """Of a text in English and in Chinese the one in the language of the conversation."""
        return texts[0 if self.language == "en" else 1]

    def number(self, least: int, greatest: int) -> int:
        """A whole number; both ends are possible. Raises NotPossible when there is none."""
        if greatest < least:
            raise NotPossible
        return self.random.randint(least, greatest)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of goal."""

    name: str
    modules: tuple[str, ...]
    """Whose tools are called; states of these are drawn from."""
    shape: Shape
    """What its goals are when nothing is left out of them."""
    ability: tuple[str, str]
    """What it takes, in English and in Chinese, to follow "I cannot": "book a table"."""
    languages: tuple[Language, ...]
    """Those that its results are told in: an English article does not stand in a Chinese answer."""
    like: tuple[str, ...]
    """Modules whose tools could do the same in another way."""
    sample: Callable[[Draw], Goal]


SCENARIOS: dict[str, Scenario] = {}
"""All that have been defined; importing `octupus.agent.generate.scenarios` defines them."""


def scenario(
    shape: Shape,
    *modules: str,
    en: str,
    zh: str = "",
    like: Sequence[str] = (),
) -> Callable[[Callable[[Draw], Goal]], Callable[[Draw], Goal]]:
    """Defines a scenario under its function's name; `en` and `zh` say what it takes; without `zh` it
    is for English alone."""

    def define(sample: Callable[[Draw], Goal]) -> Callable[[Draw], Goal]:
        name = sample.__name__
        assert name not in SCENARIOS, f"two scenarios are named {name}"
        languages: tuple[Language, ...] = ("en", "zh") if zh else ("en",)
        SCENARIOS[name] = Scenario(name, modules, shape, (en, zh), languages, tuple(like), sample)
        return sample

    return define
