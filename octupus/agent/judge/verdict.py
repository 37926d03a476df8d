"""What judges say, and what a judge is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from octupus.agent.judge.converted import ConvertedAnswer

AnswerStatus = Literal["Solved", "Unsure", "Unsolved"]
TaskStatus = Literal["Solvable", "Unsure", "Unsolvable"]
Preference = Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One vote's word, with the reason that the judge gives."""

    status: str
    """An AnswerStatus, TaskStatus or Preference, as was asked for."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """A vote that was not cast, and why, as `reason: detail`. It never counts as any status."""

    reason: str


class Judge(Protocol):
    """Gives verdicts. The same vote on the same text is the same verdict."""

    async def answer_status(self, answer: ConvertedAnswer, vote: int) -> Verdict | Missing:
        """Whether the final answer solves the query: an AnswerStatus, by the answer's text."""
        ...

    async def answer_status_from_steps(self, answer: ConvertedAnswer, vote: int) -> Verdict | Missing:
        """The same by all steps; asked where the text alone leaves it unsure."""
        ...

    async def task_status(self, answer: ConvertedAnswer, vote: int) -> Verdict | Missing:
        """Whether the query can be solved with the offered tools: a TaskStatus."""
        ...

    async def preference(self, first: ConvertedAnswer, second: ConvertedAnswer, vote: int) -> Verdict | Missing:
        """Which of two answers to one query is better: a Preference."""
        ...
