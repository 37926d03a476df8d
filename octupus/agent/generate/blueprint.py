"""What a conversation is going to be, before anything is called: who says what, which calls are made, what they change.

A scenario gives a goal: requests with their calls. A shape makes a blueprint of one goal or several: turns whose user
texts are fixed, while arguments and replies may still hold links to results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from octupus.agent.generate.links import PlannedCall
from octupus.agent.generate.wording import Language, Wording

Shape = Literal[
    "single", "parallel", "multi_step", "multi_turn", "missing_parameter", "missing_tool", "error_correction"
]
"""What a conversation is to teach. The first four are kinds of the record by their calls; the others are

- missing_parameter: the user leaves out a value, the assistant asks for it, and the call follows the answer;
- missing_tool: something is asked that no offered tool does, and the assistant says so;
- error_correction: a tool refuses a call, and the assistant makes up for it.
"""

Steps = Sequence[Sequence[PlannedCall]]
"""Assistant messages, each with the calls that it makes at once."""


@dataclass(frozen=True, slots=True)
class Omissible:
    """A value that a user may forget: the words that the assistant asks for it with."""

    en: str
    zh: str


@dataclass(eq=False, slots=True)
class Request:
    """One thing that the user asks for: its words, the calls that do it, and what is told in the end."""

    asked: Wording
    steps: Steps
    told: Wording
    values: Mapping[str, Any] = field(default_factory=dict)
    """What the user says, by the names of the templates."""
    results: Mapping[str, Any] = field(default_factory=dict)
    """What the assistant tells beside these values: links into results."""
    answers: Sequence[Any] = ()
    """Links to what an answer must hold to be right, where the user asks for something; of lists, every member."""
    omissible: Mapping[str, Omissible] = field(default_factory=dict)
    """Values that can be left out of the request, by name."""


@dataclass(eq=False, slots=True)
class Goal:
    """Requests that belong together, and what may change when they are done."""

    requests: Sequence[Request]
    changes: Mapping[str, Any] = field(default_factory=dict)
    """What is other in the states when they are done, as `changes.unexpected` takes it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A user's turn and what follows it."""

    user: str
    said: tuple[str, ...]
    """Texts of values that must stand in the user's words, however these are put."""
    unsaid: tuple[str, ...] = ()
    """Texts that must not, since the user is to be asked for them."""
    steps: tuple[tuple[PlannedCall, ...], ...] = ()
    reply: str = ""
    """The assistant's last words, as a template of `told`."""
    told: Mapping[str, Any] = field(default_factory=dict)
    answers: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A conversation that is ready to be executed."""

    shape: Shape
    language: Language
    seed: int
    """Of the states that it begins in."""
    scenarios: tuple[str, ...]
    modules: tuple[str, ...]
    """Whose tools are called."""
    closed: tuple[str, ...]
    """Modules whose tools may not be offered."""
    turns: tuple[Turn, ...]
    changes: Mapping[str, Any]

    def calls(self) -> Iterator[PlannedCall]:
        """All calls in the order in which they are made."""
        for turn in self.turns:
            for step in turn.steps:
                yield from step


def shape_of(requests: Sequence[Request]) -> Shape:
    """The shape of a conversation with these requests as they are."""
    steps = [step for request in requests for step in request.steps]
    if any(planned.fails for step in steps for planned in step):
        return "error_correction"
    if len(requests) > 1:
        return "multi_turn"
    if len(steps) > 1:
        return "multi_step"
    return "parallel" if len(steps[0]) > 1 else "single"
