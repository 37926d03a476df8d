"""Calls that are planned before they are made, and links: values that an earlier call's result will hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


class LinkError(ValueError):
    """A result does not hold what a link points to."""


@dataclass(frozen=True, slots=True)
class Where:
    """Chooses, of a list of records, the only one with these values."""

    values: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Extreme:
    """Chooses, of a list of records, the one whose number under `key` is the least or the greatest; no other may tie.

    A tie would leave open which record the user means.
    """

    key: str
    greatest: bool


PathStep = str | int | Where | Extreme


@dataclass(frozen=True, slots=True)
class Link:
    """A value within the result of a planned call."""

    call: PlannedCall
    path: tuple[PathStep, ...] = ()

    def __getitem__(self, step: str | int) -> Link:
        return self._further(step)

    def where(self, **values: Any) -> Link:
        """The only record with these values, in a list."""
        return self._further(Where(tuple(values.items())))

    def least(self, key: str) -> Link:
        """The record with the least number under `key`, in a list."""
        return self._further(Extreme(key, greatest=False))

    def greatest(self, key: str) -> Link:
        """The record with the greatest number under `key`, in a list."""
        return self._further(Extreme(key, greatest=True))

    def _further(self, step: PathStep) -> Link:
        return Link(self.call, (*self.path, step))


@dataclass(eq=False, slots=True)
class PlannedCall:
    """A call of a tool; its arguments hold values and links. Two calls are never equal, so that links are plain."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    fails: bool = False
    """Whether the tool is to refuse it: then it must change nothing, and it is not trained."""

    @property
    def result(self) -> Link:
        """All that it gives."""
        return Link(self)

    def __getitem__(self, step: str | int) -> Link:
        return Link(self, (step,))


def call(tool: str, **arguments: Any) -> PlannedCall:
    """A call that is to succeed."""
    return PlannedCall(tool, arguments)


def refused(tool: str, **arguments: Any) -> PlannedCall:
    """A call that the tool is to refuse."""
    return PlannedCall(tool, arguments, fails=True)


def links(value: Any) -> Iterator[Link]:
    """Every link in a value, at any depth."""
    if isinstance(value, Link):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from links(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from links(inner)


def resolved(value: Any, results: Mapping[PlannedCall, Any]) -> Any:
    """The value with each link replaced by what the results hold. Raises LinkError."""
    if isinstance(value, Link):
        if value.call not in results:
            raise LinkError(f"{value.call.tool} has not been called yet")
        found = results[value.call]
        for step in value.path:
            found = _follow(found, step)
        return found
    if isinstance(value, Mapping):
        return {key: resolved(inner, results) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [resolved(inner, results) for inner in value]
    return value


def _follow(value: Any, step: PathStep) -> Any:
    if isinstance(step, Where | Extreme):
        return _record(value, step)
    if isinstance(step, str) and isinstance(value, dict) and step in value:
        return value[step]
    if isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value):
        return value[step]
    raise LinkError(f"there is no {step!r} in {str(value)[:200]}")


def _record(value: Any, step: Where | Extreme) -> Any:
    if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
        raise LinkError(f"{step} looks into a list of records, not {str(value)[:200]}")
    if isinstance(step, Where):
        found = [record for record in value if all(record.get(key) == wanted for key, wanted in step.values)]
    else:
        numbers = [record.get(step.key) for record in value]
        if not all(isinstance(number, int | float) for number in numbers):
            raise LinkError(f"not every record has a number {step.key!r}")
        best = (max if step.greatest else min)(numbers, default=None)
        found = [record for record, number in zip(value, numbers, strict=True) if number == best]
    if len(found) != 1:
        raise LinkError(f"{step} holds for {len(found)} of {len(value)} records, not for one")
    return found[0]
