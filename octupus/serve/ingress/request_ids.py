"""Request ids: one in, the same one out, whatever a client sends."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

HEADER = b"x-request-id"

_VALID = re.compile(rb"[\x21-\x7e]{1,128}")

Headers = Iterable[tuple[bytes, bytes]]


def request_id_of(headers: Headers) -> str:
    """The client's id where it sent exactly one of at most 128 visible ASCII characters, else a new one."""
    sent = [value for name, value in headers if name.lower() == HEADER]
    if len(sent) == 1 and _VALID.fullmatch(sent[0]):
        return sent[0].decode("ascii")
    return uuid.uuid4().hex


def without_request_id(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The headers with every request id taken out."""
    return [(name, value) for name, value in headers if name.lower() != HEADER]


class RequestIds:
    """Makes sure that a request bears one valid id before anything else sees it.

    Ray Serve's HTTP server (2.60: `RequestIdMiddleware` in ray/serve/_private/http_util.py) adds the id of the request
    to every answer as it came, however long, and fails on one that is no UTF-8; only what stands around it can help.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            sent = list(scope["headers"])
            scope["headers"] = [*without_request_id(sent), (HEADER, request_id_of(sent).encode())]
        await self._app(scope, receive, send)


def serve_middlewares() -> list[Middleware]:
    """For Serve: `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=octupus.serve.ingress.request_ids.serve_middlewares`.

    It is read where Serve starts, and octupus must be installed on every node then, not brought by a runtime_env alone.
    """
    return [Middleware(RequestIds)]
