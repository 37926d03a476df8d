"""Tools that are the operations of an OpenAPI document, called over HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Self

import httpx

from octupus.agent.tools.authorization import Authorization, origin
from octupus.agent.tools.bounded_http import LeftHostError, TooLongError, exchange, open_client
from octupus.agent.tools.config import LimitsConfig, ToolSourceConfig
from octupus.agent.tools.openapi_document import base_address, is_address, read_document
from octupus.agent.tools.openapi_operation import Operation, operations
from octupus.agent.tools.openapi_request import BadArgumentError
from octupus.agent.tools.openapi_response import result_of
from octupus.agent.tools.selection import selected
from octupus.agent.tools.status import Status
from octupus.agent.tools.toolbox import State, ToolEntry, ToolResult
from octupus.conversation import json_text
from octupus.errors import ConfigError
from octupus.telemetry import event

_LOGGER = logging.getLogger(__name__)


class OpenApiSource:
    """The operations of one document on one host, which keeps whatever state there is."""

    restorable = False

    def __init__(self, chosen: Mapping[str, Operation], authorization: Authorization, limits: LimitsConfig) -> None:
        self.entries: tuple[ToolEntry, ...] = tuple(operation.entry for operation in chosen.values())
        self._operations = dict(chosen)
        self._authorization = authorization
        self._limits = limits
        self._client = open_client(authorization)

    @classmethod
    async def open(cls, config: ToolSourceConfig) -> Self:
        """Read the document that `config.openapi` names. Raises ConfigError."""
        assert config.openapi is not None
        place = config.openapi
        authorization = Authorization.from_environment(config.authorization_env)
        # The header is for the host that operations are called on; a document elsewhere is fetched without it.
        elsewhere = config.base_url is not None and is_address(place) and origin(config.base_url) != origin(place)
        document = await read_document(place, Authorization(None) if elsewhere else authorization)
        base = base_address(document, place, config.base_url)
        found, left_out = operations(document, place, base)
        event(_LOGGER, "openapi_tools", document=place, tools=len(found), left_out=json_text(dict(left_out)))
        if not found:
            raise ConfigError(f"no operation of {place} can be a tool: {json_text(dict(left_out))}")
        by_name = {operation.entry.name: operation for operation in found}
        entries = selected([operation.entry for operation in found], config.only, place)
        return cls({entry.name: by_name[entry.name] for entry in entries}, authorization, config.limits)

    async def initial_state(self, seed: int) -> State:
        """None: the server keeps its own."""
        return None

    async def call(self, name: str, arguments: Mapping[str, Any], state: State) -> tuple[ToolResult, State]:
        """Send the request and read its response; see `ToolSource`."""
        result = await self._call(name, arguments)
        return ToolResult(result.status, self._authorization.redacted(result.text)), state

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        limits = self._limits
        try:
            operation = self._operations[name]
            planned = operation.plan.request(arguments)
            request = self._client.build_request(
                planned.method, operation.base + planned.target, headers=planned.headers, content=planned.body
            )
        except BadArgumentError as error:
            return ToolResult(Status.BAD_INPUT, str(error))
        except httpx.InvalidURL as error:
            return ToolResult(Status.BAD_INPUT, f"the arguments make no valid address: {error}")
        try:
            async with asyncio.timeout(limits.timeout_s):
                received = await exchange(self._client, request, limits.result_bytes)
        except TimeoutError:
            return ToolResult(Status.TIMEOUT, f"the server did not answer within {limits.timeout_s:g} s")
        except (LeftHostError, TooLongError) as error:
            return ToolResult(Status.REQUEST_ERROR, f"the server's answer was not taken: {error}")
        except httpx.HTTPError as error:
            return ToolResult(Status.REQUEST_ERROR, f"the server cannot be reached: {type(error).__name__}: {error}")
        result = result_of(received)
        if len(result.text.encode("utf-8", "surrogatepass")) > limits.result_bytes:
            return ToolResult(Status.REQUEST_ERROR, f"the result is longer than {limits.result_bytes} bytes")
        return result
