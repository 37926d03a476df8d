"""An MCP server of the `mcp` package with tools that do well and badly; `stdio`, or `http` with a port."""

import os
import sys
from typing import Any

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel

server = MCPServer("test-server")


class Sum(BaseModel):
    total: int
    parts: list[int]


@server.tool()
def add(parts: list[int], scale: int = 1) -> Sum:
    """Add numbers."""
    return Sum(total=sum(parts) * scale, parts=parts)


@server.tool(structured_output=False)
def say(text: str) -> str:
    """Say something."""
    return text


@server.tool(structured_output=False)
def picture() -> list[Any]:
    """A picture."""
    return ["look", Image(data=bytes(10), format="png")]


@server.tool()
def fail(reason: str) -> str:
    """Fail."""
    raise ToolError(reason)


@server.tool(structured_output=False)
def fail_silently() -> CallToolResult:
    """Fail without a word."""
    return CallToolResult(content=[TextContent(text="")], is_error=True)


@server.tool(name="odd name/é", structured_output=False)
def odd() -> str:
    """A name that no client takes."""
    return "odd"


@server.tool(structured_output=False)
def process() -> str:
    """The server's process number."""
    return str(os.getpid())


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
