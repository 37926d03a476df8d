"""The agent's routes, and what errors become; served by Ray Serve or by any other ASGI server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from octupus.agent.stream.line_stream import LineStream
from octupus.agent.stream.request import StreamRequest, read_request
from octupus.agent.stream.service import AgentService
from octupus.errors import ConfigError, RequestError

MAX_BODY_BYTES = 1024 * 1024
BODY_TIMEOUT_S = 30


def make_app(service: AgentService) -> FastAPI:
    """The application; it closes the service when it is shut down."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    app = FastAPI(title="octupus agent", docs_url=None, redoc_url=None, lifespan=lifespan)
    body = {"content": {"application/json": {"schema": StreamRequest.model_json_schema()}}, "required": True}
    lines = {"description": "Events, a JSON object a line", "content": {LineStream.media_type: {}}}

    @app.post("/stream", openapi_extra={"requestBody": body}, responses={200: lines}, response_class=Response)
    async def stream(request: Request) -> Response:
        """Work on a question; its events come as JSON lines while it is worked on."""
        _check(request)
        _require_json(request)
        return LineStream(service.stream(read_request(await _body(request), StreamRequest)))

    @app.get("/tools")
    async def tools(request: Request) -> Response:
        """The tools, with the schemas of their arguments."""
        _check(request)
        return JSONResponse(service.tools())

    @app.get("/methods")
    async def methods(request: Request) -> Response:
        """The methods that a request may name."""
        _check(request)
        return JSONResponse(service.methods())

    @app.get("/health")
    async def health() -> Response:
        """Answers once questions are taken."""
        return JSONResponse({"status": "ok", "running": service.running})

    def _check(request: Request) -> None:
        service.keys.check(request.headers.get("authorization"))

    @app.exception_handler(RequestError)
    async def refused(_: Request, error: RequestError) -> Response:
        return _error(str(error), error.status, error.parameter, error.code, error.headers)

    @app.exception_handler(ConfigError)
    async def misconfigured(_: Request, error: ConfigError) -> Response:
        return _error(str(error), 500, None, "misconfigured")

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, error: HTTPException) -> Response:
        message = f"{request.method} {request.url.path}: {error.detail}"
        return _error(message, error.status_code, None, None, dict(error.headers or {}))

    return app


def _require_json(request: Request) -> None:
    """A browser asks before it sends JSON to a foreign origin, so no other page can make the agent call its tools."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise RequestError("send the body as content-type: application/json", code="unsupported_media_type", status=415)


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY_BYTES:
                    raise RequestError(f"the body is longer than {MAX_BODY_BYTES} bytes", code="too_large", status=413)
    except TimeoutError:
        message = f"the request's body did not arrive within {BODY_TIMEOUT_S} s"
        raise RequestError(message, code="timeout", status=408) from None
    return body


def _error(
    message: str, status: int, parameter: str | None, code: str | None, headers: dict[str, str] | None = None
) -> Response:
    """OpenAI's error envelope. In ASCII, since a message may quote half a surrogate pair."""
    kinds = {408: "timeout_error", 429: "rate_limit_error"}
    kind = "server_error" if status >= 500 else kinds.get(status, "invalid_request_error")
    envelope: dict[str, Any] = {"message": message, "type": kind, "param": parameter, "code": code}
    return Response(json.dumps({"error": envelope}), status, headers, media_type="application/json")
