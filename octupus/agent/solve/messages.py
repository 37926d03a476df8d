"""What a request says of the messages before it."""

from __future__ import annotations

import re
from typing import Any

from octupus.agent.solve.prompts import NUDGE
from octupus.agent.solve.tree import Made, SearchNode
from octupus.conversation import json_text
from octupus.schema.validation import InvalidJsonError, parse_arguments

_VALID_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_UNKNOWN_NAME = "unknown_tool"


def opening(system_prompt: str, query: str) -> tuple[dict[str, Any], ...]:
    """What every request begins with."""
    return ({"role": "system", "content": system_prompt}, {"role": "user", "content": query})


def following(node: SearchNode) -> tuple[dict[str, Any], ...]:
    """A node's message, and the results of its calls or the request to make one: what its children come after."""
    message: dict[str, Any] = {"role": "assistant", "content": node.content}
    if not node.made:
        # Endpoints differ in what they make of an assistant that says nothing; none refuses an empty text.
        return ({**message, "content": node.content or ""}, {"role": "user", "content": NUDGE})
    message["tool_calls"] = [_sent(made) for made in node.made]
    results = ({"role": "tool", "tool_call_id": made.call.id, "content": made.text} for made in node.made)
    return (message, *results)


def _sent(made: Made) -> dict[str, Any]:
    """The call as it is sent back. What a model may get wrong in it, endpoints refuse with the whole request."""
    function = made.call.function
    name = function.name if _VALID_NAME.fullmatch(function.name) else _UNKNOWN_NAME
    try:
        parse_arguments(function.arguments)
        arguments = function.arguments
    except InvalidJsonError:
        arguments = json_text({"invalid_arguments": function.arguments})
    return {"id": made.call.id, "type": "function", "function": {"name": name, "arguments": arguments}}
