"""Calls against the admissible calls of a ground truth, by the rules of BFCL's AST comparison.

One expected call is a tool's name and, for each of its arguments, the list of admissible values; see `ast_values` for
how a value is compared. BFCL's categories simple and multiple expect one call, parallel and parallel_multiple several
in any order. Each expected call in turn takes the first call left that fits; like BFCL, none is ever given back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from octupus.evaluate.calls.ast_values import OMITTED, Mismatch, mismatch_of

SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class MadeCall:
    """A call of an answer; `arguments` is what its JSON text parsed to."""

    name: str
    arguments: Any


@dataclass(frozen=True, slots=True)
class AdmissibleCall:
    """A call of the ground truth. Among the values of an argument, `""` lets it be left out."""

    name: str
    arguments: Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether calls are the expected ones; if not, why, in words that name tool and argument."""

    mismatch: Mismatch | None = None
    detail: str = ""

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return self.mismatch is None


RIGHT = Verdict()


def check_calls(
    calls: Sequence[MadeCall], expected: Sequence[AdmissibleCall], parameters: Mapping[str, Mapping[str, Any]]
) -> Verdict:
    """Compare all calls of an answer, in any order, with all expected ones.

    `parameters` holds the schema of the arguments by tool. With several calls the detail says what is wrong with the
    calls that were left for the first expected one that found none.
    """
    if len(calls) != len(expected):
        return Verdict(Mismatch.WRONG_COUNT, f"{len(calls)} calls where {len(expected)} are expected")
    left = list(calls)
    for wanted in expected:
        verdicts = []
        for call in left:
            verdict = check_call(call, wanted, parameters.get(wanted.name, {}))
            if verdict.right:
                break
            verdicts.append(verdict)
        if len(verdicts) == len(left):
            return _none_fits(wanted, verdicts)
        del left[len(verdicts)]
    return RIGHT


def check_call(call: MadeCall, expected: AdmissibleCall, parameters: Mapping[str, Any]) -> Verdict:
    """Compare one call with one expected call; `parameters` is the JSON Schema of the tool's arguments."""
    tool = f"tool {expected.name!r}"
    if call.name != expected.name:
        return Verdict(Mismatch.WRONG_TOOL, f"{tool} is expected and {call.name!r} called")
    if not isinstance(call.arguments, dict):
        return Verdict(Mismatch.NOT_AN_OBJECT, f"{tool}: its arguments are {_shown(call.arguments)}, not an object")
    properties = parameters.get("properties") or {}
    for name in parameters.get("required") or ():
        if name not in call.arguments:
            return Verdict(Mismatch.MISSING_REQUIRED, f"{tool}: the required argument {name!r} is missing")
    for name, value in call.arguments.items():
        if name not in properties or name not in expected.arguments:
            return Verdict(Mismatch.UNEXPECTED_ARGUMENT, f"{tool}: nobody expects the argument {name!r}")
        admissible, schema = expected.arguments[name], properties[name]
        mismatch = mismatch_of(value, admissible, schema if isinstance(schema, Mapping) else {})
        if mismatch is not None:
            detail = f"{tool}, argument {name!r}: {_shown(value)} where one of {_shown(admissible)} is expected"
            return Verdict(mismatch, detail)
    for name, admissible in expected.arguments.items():
        if name not in call.arguments and OMITTED not in admissible:
            return Verdict(Mismatch.MISSING_OPTIONAL, f"{tool}: the argument {name!r} is missing")
    return RIGHT


def _none_fits(wanted: AdmissibleCall, verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of a lone candidate; of several what is wrong with each, calls of other tools left out."""
    near = [verdict for verdict in verdicts if verdict.mismatch is not Mismatch.WRONG_TOOL] or list(verdicts)
    if len(near) == 1:
        return near[0]
    return Verdict(Mismatch.NO_MATCH, f"no call is {wanted.name!r}: " + "; ".join(verdict.detail for verdict in near))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."
