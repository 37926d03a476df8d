"""How right one answer is: its tools, its calls by two measures, and its arguments one by one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from octupus.evaluate.calls.admissible import admissible_call
from octupus.evaluate.calls.ast_rules import MadeCall, Verdict, check_calls
from octupus.evaluate.calls.strict import exactly_equal, leaves
from octupus.evaluate.held_out import HeldOutRequest
from octupus.evaluate.scoring import Reply, is_valid
from octupus.schema.validation import InvalidJsonError, parse_arguments


@dataclass(frozen=True, slots=True)
class RequestScore:
    """What one answer is worth. Of a failed request nothing is right, and nothing that came with it is counted."""

    failed: bool
    expecting: bool
    """Whether calls are expected."""
    called: bool = False
    right_tools: bool = False
    """Whether exactly the expected tools are called, each as often, in any order."""
    right_count: bool = False
    exact: bool = False
    """Whether the calls equal the expected ones as JSON (`strict`)."""
    ast: Verdict | None = None
    """The verdict of BFCL's rules (`ast_rules`); None when the request failed."""
    calls: int = 0
    valid_calls: int = 0
    """Calls that name an offered tool with arguments that fit its schema."""
    arguments: int = 0
    """Arguments of the calls, as `strict.leaves` counts them."""
    expected_arguments: int = 0
    right_arguments: int = 0

    @property
    def right(self) -> bool:
        """Whether the calls are right by BFCL's rules; where none is expected, whether none is made."""
        return self.ast is not None and self.ast.right


def score_request(request: HeldOutRequest, reply: Reply) -> RequestScore:
    """Compare an answer with what was expected. Raises InvalidSchemaError when a tool's schema is none."""
    expected = request.expected_calls
    expected_leaves = leaves(expected)
    if reply.error is not None:
        return RequestScore(True, bool(expected), expected_arguments=expected_leaves.total())
    parameters = {tool["function"]["name"]: tool["function"]["parameters"] for tool in request.tools}
    made = [(name, _parsed(arguments)) for name, arguments in reply.calls]
    made_leaves = leaves(made)
    return RequestScore(
        failed=False,
        expecting=bool(expected),
        called=bool(made),
        right_tools=Counter(name for name, _ in made) == Counter(name for name, _ in expected),
        right_count=len(made) == len(expected),
        exact=exactly_equal(made, expected),
        ast=check_calls(
            [MadeCall(name, arguments) for name, arguments in made],
            [admissible_call(name, arguments, parameters.get(name, {})) for name, arguments in expected],
            parameters,
        ),
        calls=len(made),
        valid_calls=sum(is_valid(call, request.tools) for call in reply.calls),
        arguments=made_leaves.total(),
        expected_arguments=expected_leaves.total(),
        right_arguments=(made_leaves & expected_leaves).total(),
    )


def _parsed(arguments: str) -> Any:
    """The arguments, or where they are no JSON object their text, which equals no arguments."""
    try:
        return parse_arguments(arguments)
    except InvalidJsonError:
        return arguments
