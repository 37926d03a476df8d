"""The routes, each also without `/v1`, and what errors become."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from octupus.errors import EngineError, RequestError
from octupus.serve.answers.events import error_envelope, error_json, error_type, request_error_envelope
from octupus.serve.ingress.connection import ClientGoneError
from octupus.serve.ingress.openapi import described, openapi_of
from octupus.serve.ingress.record import CLIENT_CLOSED_REQUEST
from octupus.serve.ingress.scrape import CONTENT_TYPE
from octupus.serve.ingress.service import Service
from octupus.serve.page.files import HEADERS, PageFile, page_files
from octupus.serve.protocol.chat import ChatRequest
from octupus.serve.protocol.completions import CompletionRequest
from octupus.serve.protocol.responses import ResponsesRequest
from octupus.serve.protocol.tokenizing import TokenizeRequest
from octupus.serve.protocol.tool_check import ToolCheckRequest

logger = logging.getLogger("octupus.serve.ingress")

Route = Callable[[Request], Awaitable[Response]]


def build_api(service: Service, scrape: Callable[[], Awaitable[str]], page: bool) -> FastAPI:
    """The application. `scrape` gives the text of /metrics; `page` says whether the one for people stands at /."""
    api = FastAPI(title="octupus", docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    posts: tuple[tuple[str, Route, type[BaseModel], str], ...] = (
        ("/chat/completions", service.chat_completions, ChatRequest, "OpenAI's Chat Completions."),
        ("/responses", service.responses, ResponsesRequest, "OpenAI's Responses, stateless, with function tools."),
        ("/completions", service.completions, CompletionRequest, "OpenAI's Completions."),
        ("/tokenize", service.tokenize, TokenizeRequest, "Token ids of a text or of a conversation."),
        ("/tools:check", service.check_tools, ToolCheckRequest, "Which tools would be admitted, keyword by keyword."),
    )
    for path, endpoint, body, summary in posts:
        _add(api, path, endpoint, "POST", summary, described(body))
    _add(api, "/models", _models(service), "GET", "The models served: the base model and its adapters.")
    _add(api, "/models/{model:path}", _model(service), "GET", "One model.")
    _add(api, "/health", _health, "GET", "Answers once requests are served.")
    if page:
        _add_page(api)
    _add(api, "/metrics", _metrics(scrape), "GET", "Metrics in Prometheus's text format.")
    bodies = [body for _, _, body, _ in posts]
    api.openapi = lambda: openapi_of(api, bodies)  # type: ignore[method-assign]
    _handle_errors(api)
    return api


def _add(
    api: FastAPI, path: str, endpoint: Route, method: str, summary: str, extra: dict[str, Any] | None = None
) -> None:
    for prefix in ("/v1", ""):
        api.add_api_route(
            prefix + path,
            endpoint,
            methods=[method],
            summary=summary,
            openapi_extra=extra,
            response_model=None,
            operation_id=f"{method.lower()}{prefix}{path}",
        )


def _add_page(api: FastAPI) -> None:
    for path, file in page_files().items():
        api.add_api_route(path, _file(file), include_in_schema=False, methods=["GET", "HEAD"])


def _file(file: PageFile) -> Route:
    async def answer(request: Request) -> Response:
        return Response(file.body, headers=HEADERS, media_type=file.media_type)

    return answer


def _models(service: Service) -> Route:
    async def models(request: Request) -> Response:
        listed = [service.models.listed(name) for name in service.models.names()]
        return JSONResponse({"object": "list", "data": listed})

    return models


def _model(service: Service) -> Route:
    async def model(request: Request) -> Response:
        return JSONResponse(service.models.listed(request.path_params["model"]))

    return model


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _metrics(scrape: Callable[[], Awaitable[str]]) -> Route:
    async def metrics(request: Request) -> Response:
        return PlainTextResponse(await scrape(), media_type=CONTENT_TYPE)

    return metrics


def _handle_errors(api: FastAPI) -> None:
    @api.exception_handler(RequestError)
    async def refused(request: Request, error: RequestError) -> Response:
        return _answer(request_error_envelope(error), error.status, error.headers)

    @api.exception_handler(HTTPException)
    async def not_found(request: Request, error: HTTPException) -> Response:
        message = f"{request.method} {request.url.path}: {error.detail}"
        return _answer(error_envelope(message, error_type(error.status_code)), error.status_code, error.headers)

    @api.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        return _answer(error_envelope(f"{field}: {first['msg']}", error_type(422), field), 422)

    @api.exception_handler(EngineError)
    async def failed(request: Request, error: EngineError) -> Response:
        logger.error("request_failed %s", error)
        envelope = error_envelope(f"the engine failed: {error}", error_type(500), code="engine_failed")
        return _answer(envelope, 500)

    @api.exception_handler(ClientGoneError)
    async def gone(request: Request, error: ClientGoneError) -> Response:
        # Nobody reads it; the log does.
        return _answer(error_envelope(str(error), error_type(CLIENT_CLOSED_REQUEST)), CLIENT_CLOSED_REQUEST)


def _answer(envelope: dict[str, Any], status: int, headers: Any = None) -> Response:
    return Response(error_json(envelope), status, dict(headers or {}), media_type="application/json")
