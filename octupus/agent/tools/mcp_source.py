"""Tools of an MCP server: a program that talks through its standard input and output, or one reached by HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

from mcp.shared.exceptions import MCPError
from mcp_types import Tool as McpTool

from octupus.agent.tools.authorization import Authorization, checked_address
from octupus.agent.tools.config import ToolSourceConfig
from octupus.agent.tools.mcp_connection import McpConnection, McpServerError, watch_statuses
from octupus.agent.tools.mcp_result import MESSAGE_CHARACTERS, result_of
from octupus.agent.tools.openapi_response import status_of
from octupus.agent.tools.selection import cut_description, selected
from octupus.agent.tools.status import Status
from octupus.agent.tools.toolbox import State, ToolEntry, ToolResult
from octupus.conversation import FunctionDefinition, Tool, json_text
from octupus.errors import ConfigError
from octupus.schema.nullable import spelled_out
from octupus.schema.tool_names import safe_names
from octupus.schema.validation import check_schema
from octupus.telemetry import event

DESCRIPTION_CHARACTERS = 2048
"""MCP servers write for models, and at length."""
STILL_THERE_S = 2.0
"""How long a server that let a call run out of time is waited for before it is started anew."""

_LOGGER = logging.getLogger(__name__)


class McpSource:
    """The tools that a server listed when it was opened; the server keeps whatever state there is."""

    restorable = False

    def __init__(
        self,
        config: ToolSourceConfig,
        authorization: Authorization,
        connection: McpConnection,
        entries: Sequence[ToolEntry],
    ) -> None:
        self.entries: tuple[ToolEntry, ...] = tuple(entries)
        self._own_names = {entry.name: entry.api for entry in entries}
        self._config = config
        self._authorization = authorization
        self._connection = connection
        self._reconnecting = asyncio.Lock()
        self._closed = False

    @classmethod
    async def open(cls, config: ToolSourceConfig) -> Self:
        """Start or reach the server, and list its tools. Raises ConfigError."""
        if config.mcp_url is not None:
            server = checked_address(config.mcp_url, "mcp_url")
        else:
            assert config.mcp_command is not None
            server = " ".join(config.mcp_command)
        authorization = Authorization.from_environment(config.authorization_env)
        try:
            connection = await McpConnection.open(config, authorization)
        except McpServerError as error:
            raise ConfigError(f"the MCP server {server} cannot be used: {error}") from None
        try:
            info = connection.client.server_info
            entries, left_out = _entries(connection.tools, info.name if info else server)
            event(_LOGGER, "mcp_tools", server=server, tools=len(entries), left_out=json_text(dict(left_out)))
            if not entries:
                raise ConfigError(f"the MCP server {server} has no tool that can be used: {json_text(dict(left_out))}")
            return cls(config, authorization, connection, selected(entries, config.only, server))
        except BaseException:
            await connection.close()
            raise

    async def initial_state(self, seed: int) -> State:
        """None: the server keeps its own."""
        return None

    async def call(self, name: str, arguments: Mapping[str, Any], state: State) -> tuple[ToolResult, State]:
        """Send the call and wait for its result. A server that is gone is tried again once, before the call."""
        result = await self._call(self._own_names[name], arguments)
        return ToolResult(result.status, self._authorization.redacted(result.text)), state

    async def close(self) -> None:
        """End the session, and the server if it is a process."""
        async with self._reconnecting:
            self._closed = True
            await self._connection.close()

    async def _call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        try:
            connection = await self._connected()
        except McpServerError as error:
            return ToolResult(Status.REQUEST_ERROR, f"the MCP server cannot be reached: {error}")
        timeout_s = self._config.limits.timeout_s
        statuses = watch_statuses()
        try:
            async with asyncio.timeout(timeout_s):
                answer = await connection.client.call_tool(name, dict(arguments))
        except TimeoutError:
            connection.doubtful = True
            return ToolResult(Status.TIMEOUT, f"the tool did not answer within {timeout_s:g} s")
        except MCPError as error:
            if connection.noticed(error):
                return ToolResult(Status.REQUEST_ERROR, f"the MCP server is gone: {connection.ending()}")
            said = error.message[:MESSAGE_CHARACTERS]
            if statuses and statuses[-1] >= 400:
                # A tool is no operation of its own: only what refuses the caller means the same as elsewhere.
                status = status_of(statuses[-1])
                refused = status in (Status.UNAUTHORIZED, Status.UNSUBSCRIBED, Status.RATE_LIMIT)
                return ToolResult(status if refused else Status.REQUEST_ERROR, f"HTTP {statuses[-1]}: {said}")
            return ToolResult(Status.REQUEST_ERROR, f"the MCP server refuses the call: {said}")
        except Exception as error:  # noqa: BLE001  # a foreign package reading what a foreign server sent
            said = f"{type(error).__name__}: {error}"[:MESSAGE_CHARACTERS]
            return ToolResult(Status.REQUEST_ERROR, f"the MCP server's answer cannot be used: {said}")
        connection.doubtful = False
        return result_of(answer, self._config.limits.result_bytes)

    async def _connected(self) -> McpConnection:
        """The connection, made anew when the server is gone or answers nothing any more. Raises McpServerError."""
        async with self._reconnecting:
            connection = self._connection
            if self._closed:
                raise McpServerError("its tools were closed")
            if connection.doubtful and not connection.gone:
                await connection.answers(STILL_THERE_S)
            if connection.gone or connection.doubtful:
                await connection.close()
                event(_LOGGER, "mcp_reconnect", reason=connection.ending())
                self._connection = await McpConnection.open(self._config, self._authorization)
            return self._connection


def _entries(tools: Sequence[McpTool], collection: str) -> tuple[list[ToolEntry], Counter[str]]:
    """The tools under names that every client takes, and how many were left out, by reason."""
    left_out: Counter[str] = Counter()
    usable: dict[str, tuple[McpTool, dict[str, Any]]] = {}
    for tool in tools:
        schema = spelled_out({"properties": {}, **tool.input_schema, "type": "object"})
        if tool.name in usable:
            left_out["a name that is used twice"] += 1
        elif check_schema(schema) is not None:
            left_out["an invalid schema"] += 1
        else:
            usable[tool.name] = tool, schema
    names = safe_names(list(usable))
    return [
        ToolEntry(
            Tool(
                function=FunctionDefinition(
                    name=names[name],
                    description=cut_description(tool.description or tool.title or name, DESCRIPTION_CHARACTERS),
                    parameters=schema,
                )
            ),
            collection=collection,
            api=name,
        )
        for name, (tool, schema) in usable.items()
    ], left_out
