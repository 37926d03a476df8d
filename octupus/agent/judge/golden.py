"""Golden answers: what must be true after a query was solved, written down beforehand."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from octupus.agent.judge.converted import load_json
from octupus.config import StrictModel
from octupus.errors import EvaluationError

_SPACED = r"[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
"""A character of a word that spaces set apart: not kana, nor Chinese or Korean characters."""
_NUMBER = re.compile(
    rf"(?<!{_SPACED})(?<![.,])(?<!\d[-/:])[-+]?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?(?!\d|[.,/:-]\d)"
)
_SEPARATORS = re.compile(r"\s*(?:[,;\n]|\band\b)\s*")


class GoldenCall(StrictModel):
    """A call that must have been made."""

    name: str
    arguments: dict[str, Any] | None = None
    """Arguments that it must have had, among others; null asks for none."""


class Golden(StrictModel):
    """What solves one query: all that is given must hold."""

    query_id: str
    state: dict[str, Any] | None = None
    """The environment's state at the end, equal as JSON, of the collections that it names; null does not look at it."""
    answers: tuple[str, ...] = ()
    """What the final answer is compared with, as `match` says; empty does not look at it."""
    match: Literal["exact", "contains", "numeric", "set"] = "contains"
    """exact: the answer is one of them. contains: each stands in it, as whole words. numeric: each number stands in it,
    within the tolerance. set: its parts, between commas, semicolons, lines and `and`, are these and no others. Case and
    spaces do not count."""
    tolerance: float = Field(default=0.0, ge=0)
    """How far a number may be off, for `numeric`."""
    calls: tuple[GoldenCall, ...] = ()
    """Calls that must be among those that were made; one call may stand for several."""
    solvable: bool = True
    """Whether the query can be solved with its tools; one that cannot passes when it is given up, and no other way
    unless state, answers or calls say so."""

    @property
    def looks_at_answers(self) -> bool:
        """Whether anything is given that an answer can be compared with."""
        return self.state is not None or bool(self.answers) or bool(self.calls)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.looks_at_answers and self.solvable:
            raise ValueError(f"query {self.query_id} has no state, answers or calls; give at least one")
        if any(not answer.strip() for answer in self.answers):
            raise ValueError(f"query {self.query_id} has an empty answer, which every text contains")
        if self.match == "numeric":
            for answer in self.answers:
                if len(numbers_in(answer)) != 1:
                    raise ValueError(f"query {self.query_id}: {answer!r} is no single number")
        return self


def read_golden(path: Path) -> dict[str, Golden]:
    """Golden answers by query id, of a .jsonl file with one on each line or a .json list.

    Raises EvaluationError naming the line and what is wrong with it.
    """
    golden: dict[str, Golden] = {}
    for place, value in _entries(path):
        try:
            entry = Golden.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise EvaluationError(f"{place}: {where + ': ' if where else ''}{first['msg']}") from error
        if entry.query_id in golden:
            raise EvaluationError(f"{place}: query {entry.query_id} has a golden answer already")
        golden[entry.query_id] = entry
    if not golden:
        raise EvaluationError(f"{path} holds no golden answers")
    return golden


def answer_matches(golden: Golden, text: str) -> bool:
    """Whether an answer's text is as the golden answers want it."""
    found, wanted = _plain(text), [_plain(answer) for answer in golden.answers]
    if golden.match == "exact":
        return found in wanted
    if golden.match == "contains":
        return all(_contains(found, answer) for answer in wanted)
    if golden.match == "set":
        return parts_of(text) == set(wanted)
    numbers = numbers_in(text)
    return all(_near(numbers, numbers_in(answer)[0], golden.tolerance) for answer in golden.answers)


def numbers_in(text: str) -> list[float]:
    """The numbers of a text: with sign, thousands' commas, fraction and exponent; those of words, dates
    and times are none."""
    return [float(found.replace(",", "")) for found in _NUMBER.findall(text)]


def parts_of(text: str) -> set[str]:
    """The parts of an enumeration, such as `Rome, Oslo and Bonn`; a final stop belongs to none."""
    return {part for part in _SEPARATORS.split(_plain(text, lines=True).rstrip(".")) if part}


def _near(numbers: Sequence[float], wanted: float, tolerance: float) -> bool:
    # Besides the tolerance, what decimal fractions lose as binary ones.
    return any(abs(number - wanted) <= tolerance + 1e-9 * abs(wanted) for number in numbers)


def _contains(text: str, part: str) -> bool:
    """As whole words: 7 does not stand in 17, 7.5 or 1,7; but in 余额为7元, as Chinese puts no space between words."""
    pattern = rf"(?<!{_SPACED})(?<!\d[.,]){re.escape(part)}(?!{_SPACED})(?![.,]\d)"
    return re.search(pattern, text) is not None


def _plain(text: str, lines: bool = False) -> str:
    text = re.sub(r"[^\S\n]+" if lines else r"\s+", " ", text)
    return text.casefold().strip()


def _entries(path: Path) -> list[tuple[str, Any]]:
    if path.suffix != ".jsonl":
        value = load_json(path)
        if not isinstance(value, list):
            raise EvaluationError(f"{path} holds no list of golden answers; write one, or a .jsonl file")
        return [(f"{path}: entry {number}", entry) for number, entry in enumerate(value)]
    if not path.is_file():
        raise EvaluationError(f"{path} does not exist")
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if line.strip():
            try:
                entries.append((f"{path}:{number}", json.loads(line)))
            except ValueError as error:
                raise EvaluationError(f"{path}:{number} is no JSON: {error}") from error
    return entries
