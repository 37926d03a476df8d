"""Tasks for solvers: one request, the tools for it, the states it begins in, and what is right in the end."""

from __future__ import annotations

import json
from typing import Any

from octupus.agent.generate.execute import Executed
from octupus.agent.judge.golden import Golden
from octupus.config import StrictModel
from octupus.conversation import Tool


class Outcome(StrictModel):
    """What a right solution comes to."""

    state: dict[str, Any]
    """Final states by module, of the modules whose tools were called; no other may change."""
    state_sha256: str
    """Of `state` as canonical JSON."""
    answers: tuple[str, ...]
    """What the answer must hold, where something was asked."""
    calls: tuple[dict[str, Any], ...]
    """The calls that lead there, as {name, arguments}; others may, too."""


class Task(StrictModel):
    """A line of tasks.jsonl."""

    id: str
    query: str
    tools: tuple[str, ...]
    seed: int
    golden: Outcome

    def for_judge(self) -> Golden:
        """What the rule judge compares with. Calls are left out, since others may lead to the same."""
        answers = tuple(answer for answer in self.golden.answers if answer.strip())
        return Golden(query_id=self.id, state=self.golden.state, answers=answers)


def task(executed: Executed, tools: tuple[Tool, ...]) -> Task | None:
    """The task of a conversation with one request; None of one with more, or in which nothing is done."""
    if len(executed.turns) != 1 or not executed.made():
        return None
    (turn,) = executed.turns
    calls = tuple(
        {"name": made.tool, "arguments": json.loads(made.arguments)} for made in executed.made() if made.result.ok
    )
    return Task(
        id=executed.id[:16],
        query=turn.user,
        tools=tuple(tool.function.name for tool in tools),
        seed=executed.blueprint.seed,
        golden=Outcome(
            state=dict(executed.state), state_sha256=executed.state_sha256, answers=turn.answers, calls=calls
        ),
    )
