"""What an MCP server's tool gave, as the result of a tool call."""

from __future__ import annotations

import json
from typing import Any

from mcp_types import CallToolResult, ContentBlock, TextResourceContents

from octupus.agent.tools.status import Status
from octupus.agent.tools.toolbox import ToolResult
from octupus.conversation import json_text
from octupus.schema.validation import InvalidJsonError, parse_json

MESSAGE_CHARACTERS = 2000
"""Most of a tool's error that a model is told."""


def result_of(answer: CallToolResult, most_bytes: int) -> ToolResult:
    """The structured content if there is one, else the blocks: JSON where they are JSON, else a JSON string."""
    if answer.is_error:
        said = _joined(answer.content) or (json_text(answer.structured_content) if answer.structured_content else "")
        if len(said) > MESSAGE_CHARACTERS:
            said = said[: MESSAGE_CHARACTERS - 1] + "…"
        return ToolResult(Status.TOOL_ERROR, said or "the tool failed and does not say why")
    if answer.structured_content is not None:
        value = answer.structured_content
    else:
        value = _parsed(_joined(answer.content))
    try:
        json.dumps(value, allow_nan=False)
    except ValueError as error:
        return ToolResult(Status.REQUEST_ERROR, f"the tool's result is no JSON: {error}")
    text = json_text(value)
    if len(text.encode("utf-8", "surrogatepass")) > most_bytes:
        return ToolResult(Status.REQUEST_ERROR, f"the result is longer than {most_bytes} bytes")
    return ToolResult(Status.OK, text)


def _parsed(text: str) -> Any:
    try:
        return parse_json(text)
    except InvalidJsonError:
        return text


def _joined(blocks: list[ContentBlock]) -> str:
    return "\n".join(map(_shown, blocks))


def _shown(block: ContentBlock) -> str:
    """Text as it is, anything else by what it is: a model reads no bytes."""
    if block.type == "text":
        return block.text
    if block.type == "resource_link":
        size = f", {block.size} bytes" if block.size is not None else ""
        return f"[{block.name}: {block.uri}{size}]"
    if block.type == "resource":
        resource = block.resource
        if isinstance(resource, TextResourceContents):
            return resource.text
        return f"[{resource.uri}: {resource.mime_type or 'bytes'}, {_decoded_bytes(resource.blob)} bytes]"
    return f"[{block.mime_type}, {_decoded_bytes(block.data)} bytes]"


def _decoded_bytes(base64: str) -> int:
    return len(base64) * 3 // 4 - base64[-2:].count("=")
