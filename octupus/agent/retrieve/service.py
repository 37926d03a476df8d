"""The HTTP side of a served index: POST /retrieve and GET /health."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field, ValidationError

from octupus.agent.retrieve.config import Method
from octupus.agent.retrieve.index import Index
from octupus.config import StrictModel
from octupus.errors import RequestError

MAX_TOP_K = 1000
MAX_QUERY_CHARACTERS = 32_768
MAX_ONLY = 20_000
MAX_BODY_BYTES = 4 * 2**20


class RetrieveRequest(StrictModel):
    """The body of POST /retrieve."""

    query: str = Field(min_length=1, max_length=MAX_QUERY_CHARACTERS)
    top_k: int = Field(default=5, ge=1, le=MAX_TOP_K)
    """Most documents to return."""
    only: tuple[str, ...] | None = Field(default=None, max_length=MAX_ONLY)
    """Ids of the documents to choose from; null chooses from all."""


def make_app(index: Index, method: Method) -> FastAPI:
    """The application. Errors have the form of OpenAI's."""
    app = FastAPI(title="octupus retriever", docs_url=None, redoc_url=None)
    retriever = index.retriever(method)
    # One thread: PyTorch spreads a query over the replica's CPUs by itself.
    worker = ThreadPoolExecutor(1, thread_name_prefix="retrieve")

    async def retrieve(request: Request) -> JSONResponse:
        asked = await _read(request)
        ranked = await asyncio.get_running_loop().run_in_executor(
            worker, retriever.rank, asked.query, asked.top_k, asked.only
        )
        documents = [
            {"id": identity, "score": score, "about": dict(index.documents[identity].about)}
            for identity, score in ranked
        ]
        unknown = [identity for identity in asked.only or () if identity not in index.documents]
        return JSONResponse({"documents": documents, "unknown": unknown})

    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok", "documents": len(index.documents), "method": method})

    async def refuse(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestError)
        return _error(str(error), error.status, error.parameter, error.code)

    async def fail(request: Request, error: Exception) -> JSONResponse:
        # Not the exception's text, which may quote the query. Starlette raises it again for the server's log.
        return _error("the retriever failed at this request; its log tells why", 500, code="internal_error")

    async def unknown_route(request: Request, error: Exception) -> JSONResponse:
        status: int = getattr(error, "status_code", 404)
        return _error(f"there is no {request.method} {request.url.path} here; use POST /retrieve", status)

    app.add_api_route("/retrieve", retrieve, methods=["POST"], response_model=None)
    app.add_api_route("/health", health, methods=["GET"], response_model=None)
    app.add_exception_handler(RequestError, refuse)
    app.add_exception_handler(Exception, fail)
    for status in (404, 405):
        app.add_exception_handler(status, unknown_route)
    return app


async def _read(request: Request) -> RetrieveRequest:
    """The body as a request. Raises RequestError."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise RequestError(f"the body exceeds {MAX_BODY_BYTES} bytes", code="request_too_large", status=413)
    try:
        return RetrieveRequest.model_validate_json(bytes(body))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RequestError(f"{where or 'the body'}: {first['msg']}", parameter=where or None) from error


def _error(message: str, status: int, parameter: str | None = None, code: str | None = None) -> JSONResponse:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    content: dict[str, Any] = {"message": message, "type": kind, "param": parameter, "code": code}
    return JSONResponse({"error": content}, status)
