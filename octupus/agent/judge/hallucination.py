"""How many answers call tools that were not offered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from octupus.agent.judge.converted import ConvertedAnswer, Step
from octupus.agent.judge.statistics import Mean, mean_of


@dataclass
class Hallucinations:
    """Counts over answers; a call anywhere in an answer's tree counts."""

    answers: int = 0
    hallucinating: int = 0
    """Answers with at least one call of a tool that was not offered."""
    calls: int = 0
    """Calls of tools, those of `Finish` among them."""
    not_offered: int = 0
    """Calls of tools that were not offered."""
    unreadable: int = 0
    """Calls whose name the file cuts where it may still be an offered one; they count as offered."""
    names: Counter[str] = field(default_factory=Counter)
    """The names that were not offered."""

    @property
    def rate(self) -> Mean:
        """The share of answers that hallucinate."""
        return mean_of([1.0] * self.hallucinating + [0.0] * (self.answers - self.hallucinating))

    def to_json(self) -> dict[str, Any]:
        """For results.json."""
        counts = {"answers": self.answers, "hallucinating": self.hallucinating, "calls": self.calls}
        counts |= {"calls_not_offered": self.not_offered, "calls_unreadable": self.unreadable}
        return {**self.rate.to_json(), **counts, "names": dict(self.names.most_common())}


def hallucinations(answers: Iterable[ConvertedAnswer]) -> Hallucinations:
    """The counts over `answers`. `Finish` is always offered; names are compared exactly."""
    found = Hallucinations()
    for answer in answers:
        found.answers += 1
        offered = answer.tool_names
        before = found.not_offered
        for step in answer.calls:
            found.calls += 1
            if step.name_cut and any(name.startswith(step.name) for name in offered):
                found.unreadable += 1
            elif not_offered(step, offered):
                found.not_offered += 1
                found.names[step.name] += 1
        found.hallucinating += found.not_offered > before
    return found


def not_offered(step: Step, offered: frozenset[str]) -> bool:
    """Whether the called name is certainly none of those offered."""
    if step.name_cut:
        return not any(name.startswith(step.name) for name in offered)
    return step.name not in offered
