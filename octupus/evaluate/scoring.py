"""How well the calls of answers fit what was asked. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from octupus.conversation import json_text
from octupus.schema.admission import prepare
from octupus.schema.validation import InvalidJsonError, parse_arguments, violations

ExpectedCall = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Reply:
    """What came back for one request. `calls` are (name, arguments as JSON text)."""

    calls: tuple[tuple[str, str], ...] = ()
    content: str | None = None
    completion_tokens: int = 0
    error: str | None = None


@dataclass(frozen=True)
class Score:
    """Counts over one pass of the requests."""

    requests: int
    failed: int
    calls: int
    valid_calls: int
    right_tool: int
    """Requests in which exactly the expected tools are called, in any order; none where none fits."""
    expecting_calls: int
    exact_calls: int
    """Requests expecting calls in which names and arguments are all as expected."""

    @property
    def valid_share(self) -> float | None:
        """Share of calls that parse and fit their tool's schema; None when there is no call."""
        return self.valid_calls / self.calls if self.calls else None

    @property
    def right_tool_share(self) -> float:
        """Share of requests with the right tools."""
        return self.right_tool / self.requests if self.requests else 0.0

    @property
    def exact_share(self) -> float:
        """Share of requests expecting calls that are exactly right."""
        return self.exact_calls / self.expecting_calls if self.expecting_calls else 0.0


def score(
    tools: Sequence[Sequence[dict[str, Any]]], expected: Sequence[Sequence[ExpectedCall]], replies: Sequence[Reply]
) -> Score:
    """Compare replies with the tools and the expected calls of their requests, position by position."""
    valid = exact = right = 0
    for request_tools, wanted, reply in zip(tools, expected, replies, strict=True):
        valid += sum(is_valid(call, request_tools) for call in reply.calls)
        if reply.error is None:
            right += Counter(name for name, _ in reply.calls) == Counter(name for name, _ in wanted)
            exact += bool(wanted) and _canonical(reply.calls) == Counter(
                (name, json_text(arguments, sort_keys=True)) for name, arguments in wanted
            )
    return Score(
        requests=len(replies),
        failed=sum(reply.error is not None for reply in replies),
        calls=sum(len(reply.calls) for reply in replies),
        valid_calls=valid,
        right_tool=right,
        expecting_calls=sum(bool(wanted) for wanted in expected),
        exact_calls=exact,
    )


def is_valid(call: tuple[str, str], tools: Sequence[dict[str, Any]]) -> bool:
    """Whether a call names one of the tools and its arguments are JSON that fits the tool's schema."""
    name, arguments = call
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
    if name not in schemas:
        return False
    try:
        return not violations(prepare(schemas[name]), parse_arguments(arguments))
    except InvalidJsonError:
        return False


def _canonical(calls: Sequence[tuple[str, str]]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for name, arguments in calls:
        try:
            found[name, json_text(parse_arguments(arguments), sort_keys=True)] += 1
        except InvalidJsonError:
            found[name, arguments] += 1
    return found
