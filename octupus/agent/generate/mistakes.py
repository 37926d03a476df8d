"""Mistakes that models make with tools, put in front of the calls that make up for them.

A mistake is a planned call that the tool is to refuse; whether it really does, execution shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import Any

from octupus.agent.generate.blueprint import Request
from octupus.agent.generate.links import Link, PlannedCall
from octupus.agent.generate.scenario import NotPossible

Steps = tuple[tuple[PlannedCall, ...], ...]

_ID = re.compile(r"([A-Za-z]+)([-_])(\w+)")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")


def with_mistake(request: Request, random: Random) -> Steps:
    """The request's steps with one mistake in front of the call that does it right. Raises NotPossible."""
    possible = [*_without_looking_up(request), *_written_otherwise(request)]
    if not possible:
        raise NotPossible
    return random.choice(possible)


def _without_looking_up(request: Request) -> Iterator[Steps]:
    """The words that something is looked up by are taken for what the look-up would give: a name for an id."""
    for step in request.steps:
        for planned in step:
            linked = {name: value for name, value in planned.arguments.items() if isinstance(value, Link)}
            words = {name: _words(value) for name, value in linked.items()}
            if not linked or None in words.values() or len(step) > 1:
                continue
            first = min(_place(request, link.call) for link in linked.values())
            if first < len(request.steps):
                yield _inserted(request, first, PlannedCall(planned.tool, {**planned.arguments, **words}, fails=True))


def _written_otherwise(request: Request) -> Iterator[Steps]:
    """An id or a date in another spelling than the tool takes."""
    for place, step in enumerate(request.steps):
        if len(step) > 1:
            continue
        (planned,) = step
        for name, value in planned.arguments.items():
            other = _other_spelling(value)
            if other is not None:
                yield _inserted(
                    request, place, PlannedCall(planned.tool, {**planned.arguments, name: other}, fails=True)
                )


def _other_spelling(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    if found := _DATE.fullmatch(value):
        return f"{found[3]}.{found[2]}.{found[1]}"
    found = _ID.fullmatch(value)
    return found[3] if found else None


def _words(link: Link) -> str | None:
    """What the user said for the thing that a link points to: the only text that its look-up was given."""
    texts = [said for said in link.call.arguments.values() if isinstance(said, str)]
    return texts[0] if len(texts) == 1 else None


def _place(request: Request, planned: PlannedCall) -> int:
    """The step in which a call is made; behind the last one for a call of another request."""
    return next((place for place, step in enumerate(request.steps) if planned in step), len(request.steps))


def _inserted(request: Request, place: int, mistaken: PlannedCall) -> Steps:
    steps = [tuple(step) for step in request.steps]
    return (*steps[:place], (mistaken,), *steps[place:])
