"""What calls lead to: expected and made calls executed on fresh environments, and their states compared by turn.

As BFCL's multi-turn checker does, a turn is right when the state after it equals the expected one and every expected
result is among the results so far, so that further calls that change nothing cost nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from octupus.conversation import Conversation
from octupus.evaluate.calls.environment import Environment
from octupus.evaluate.calls.strict import canonical
from octupus.schema.validation import InvalidJsonError, parse_arguments

Call = tuple[str, str]
"""A tool's name and the arguments as JSON text."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What one turn led to."""

    state: Any
    results: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class TurnScore:
    """One turn of the user."""

    state_equal: bool
    results_found: bool

    @property
    def right(self) -> bool:
        """Whether state and results are as expected."""
        return self.state_equal and self.results_found


def expected_turns(conversation: Conversation) -> list[list[Call]]:
    """The calls that follow each message of the user; turns that are not trained hold known mistakes, and no calls."""
    turns: list[list[Call]] = []
    for position, message in enumerate(conversation.messages):
        if message.role == "user":
            turns.append([])
        elif turns and conversation.trained(position):
            turns[-1] += [(call.function.name, call.function.arguments) for call in message.tool_calls]
    return turns


def perform(environment: Environment, offered: Collection[str], call: Call) -> Any:
    """The result of one call. A tool that is not offered and arguments that are no JSON object give an error."""
    name, text = call
    if name not in offered:
        return {"error": f"there is no tool {name}"}
    try:
        arguments = parse_arguments(text)
    except InvalidJsonError as error:
        return {"error": f"the arguments are no JSON object: {error}"}
    return environment.call(name, arguments)


def execute(environment: Environment, offered: Collection[str], turns: Sequence[Sequence[Call]]) -> list[Executed]:
    """Each turn's results and the state after it, all in one environment."""
    executed = []
    for calls in turns:
        results = tuple(perform(environment, offered, call) for call in calls)
        executed.append(Executed(environment.state(), results))
    return executed


def compare(made: Sequence[Executed], expected: Sequence[Executed]) -> tuple[TurnScore, ...]:
    """A score for each expected turn; one that was not reached is wrong. Raises ValueError when more were made."""
    if len(made) > len(expected):
        raise ValueError(f"{len(made)} turns were made where {len(expected)} are expected")
    so_far: set[str] = set()
    scores = []
    for got, wanted in zip_longest(made, expected):
        if got is None:
            scores.append(TurnScore(False, False))
            continue
        so_far |= set(map(canonical, got.results))
        scores.append(
            TurnScore(
                state_equal=canonical(got.state) == canonical(wanted.state),
                results_found=so_far >= set(map(canonical, wanted.results)),
            )
        )
    return tuple(scores)
