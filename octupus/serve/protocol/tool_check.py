"""The body of POST /v1/tools:check: the tools of a request, and what is to become of keywords nothing enforces."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from octupus.serve.protocol.fields import Input, read_object, validated
from octupus.serve.protocol.tools import InputTool


class ToolCheckRequest(Input):
    """The tools in question."""

    tools: Annotated[list[InputTool], Field(min_length=1)]
    on_unenforceable: Literal["refuse", "check"] | None = None


def parse_tool_check_request(body: bytes) -> ToolCheckRequest:
    """Read a request's body. Raises RequestError naming the field."""
    return validated(ToolCheckRequest, read_object(body))
