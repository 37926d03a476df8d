"""What every request passes before and after its route: ids, keys, limits, and one record at its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from octupus.errors import RequestError
from octupus.serve.answers.events import error_json, request_error_envelope
from octupus.serve.config import ServeConfig
from octupus.serve.ingress.access_log import AccessLog
from octupus.serve.ingress.connection import ClientGoneError
from octupus.serve.ingress.exchange import Exchange
from octupus.serve.ingress.gate import Gate, active_limit
from octupus.serve.ingress.keys import ApiKeys
from octupus.serve.ingress.metrics import Metrics
from octupus.serve.ingress.paths import generates, is_public, path_of, template_of
from octupus.serve.ingress.record import CLIENT_CLOSED_REQUEST, Outcome, RequestRecord, outcome_of_status
from octupus.serve.ingress.request_ids import request_id_of
from octupus.serve.ingress.spans import request_span
from octupus.serve.ingress.trace_context import trace_context_of

DRAINING_RETRY_S = 5

logger = logging.getLogger("octupus.serve.ingress.edge")


class Edge:
    """The state of one ingress replica that its requests share."""

    def __init__(
        self,
        config: ServeConfig,
        keys: ApiKeys,
        gate: Gate,
        metrics: Metrics,
        access_log: AccessLog,
        *,
        served_by_ray: bool,
    ) -> None:
        """`served_by_ray`: Ray Serve's HTTP server adds the request id to each answer, so nothing here does."""
        self._config = config
        self._keys = keys
        self._metrics = metrics
        self._access_log = access_log
        self._served_by_ray = served_by_ray
        self.gate = gate
        self.draining = False
        """Set where this process is to end without Serve's knowledge: new requests get 503.

        For a replica that Serve replaces it must stay unset: Serve sends it no new ones, or retries them elsewhere, and
        those that come while load balancers learn of it are to be answered.
        """

    @classmethod
    def from_config(cls, config: ServeConfig, environment: Mapping[str, str], *, served_by_ray: bool = True) -> Edge:
        """Raises ConfigError when keys are configured and there are none."""
        keys = ApiKeys(config.access, environment)
        gate = Gate(active_limit(config))
        log = AccessLog(config.observability)
        return cls(config, keys, gate, Metrics(config.model.id), log, served_by_ray=served_by_ray)

    async def answer(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let `app` answer a request, which is one of ASGI's `http`."""
        record = _record(scope)
        scope.setdefault("state", {})["record"] = record
        limits = self._config.limits
        exchange = Exchange(record, receive, send, limits.body_timeout_s, add_request_id=not self._served_by_ray)
        try:
            with request_span(record):
                try:
                    await self._within_cors(app, record, exchange)(scope, exchange.receive, exchange.send)
                except asyncio.CancelledError:
                    # Serve cancels what it runs for a client that is gone.
                    exchange.disconnected |= not exchange.complete
                    raise
                finally:
                    _settle(record, exchange)
        finally:
            self._metrics.ended(record)
            self._access_log.write(record)

    def _within_cors(self, app: ASGIApp, record: RequestRecord, exchange: Exchange) -> ASGIApp:
        """Around the keys: a browser asks for permission without one, and shows no refusal that lacks permission."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            await self._guarded(app, record, exchange, scope, receive, send)

        origins = self._config.access.cors_origins
        if not origins:
            return guarded
        return CORSMiddleware(
            guarded,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["x-request-id", "retry-after"],
        )

    async def _guarded(
        self, app: ASGIApp, record: RequestRecord, exchange: Exchange, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            self._check(record, scope)
            with self._place(scope):
                await app(scope, receive, send)
        except RequestError as error:
            if exchange.begun:
                raise
            await _refuse(error, scope, receive, send)
        except ClientDisconnect:
            exchange.disconnected = True
            if not exchange.begun:
                # Nobody reads it; a server that was given no answer at all would log a failure.
                await Response(status_code=CLIENT_CLOSED_REQUEST)(scope, receive, send)
        except Exception as error:
            if exchange.disconnected and isinstance(error.__cause__, ClientGoneError):
                # Starlette's words for an exception that it has a handler for, but too late for an answer.
                return
            logger.exception("request_failed id=%s route=%s", record.request_id, record.route)
            record.outcome = Outcome.FAILED
            if exchange.begun:
                # The server then cuts the connection, which no client takes for the end of an answer.
                raise
            # Not the exception's text, which may quote the request.
            message = f"the server failed at this request; its log tells why, under the id {record.request_id}"
            await _refuse(RequestError(message, code="internal_error", status=500), scope, receive, send)

    def _check(self, record: RequestRecord, scope: Scope) -> None:
        """Everything that can be refused before the body is read. Raises RequestError."""
        method, path = scope["method"], path_of(scope)
        if not is_public(method, path, self._config.access.page):
            record.key_id = self._keys.check(scope["headers"])
        if self.draining and (generates(method, path) or record.route == "/health"):
            record.outcome = Outcome.SHED
            headers = {"retry-after": str(DRAINING_RETRY_S)}
            raise RequestError("this server is about to end; try again", code="draining", status=503, headers=headers)
        limit = self._config.limits.max_body_bytes
        if any(name == b"content-length" and _number(value) > limit for name, value in scope["headers"]):
            raise RequestError(f"the body exceeds {limit} bytes", code="request_too_large", status=413)

    @contextmanager
    def _place(self, scope: Scope) -> Iterator[None]:
        if not generates(scope["method"], path_of(scope)):
            yield
            return
        try:
            with self.gate.enter():
                self._metrics.active(self.gate.active)
                yield
        finally:
            self._metrics.active(self.gate.active)


class EdgeMiddleware:
    """The edge as middleware: `api.add_middleware(EdgeMiddleware, edge=lambda: ...)`.

    It belongs inside Starlette's own handler of unexpected exceptions, which answers in plain text, and that is where
    `add_middleware` puts it. The edge is looked up at each request, because it is made in the replica.
    """

    def __init__(self, app: ASGIApp, edge: Callable[[], Edge]) -> None:
        self._app = app
        self._edge = edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._edge().answer(self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _record(scope: Scope) -> RequestRecord:
    headers = scope["headers"]
    return RequestRecord(
        request_id_of(headers),
        method=scope["method"],
        route=template_of(path_of(scope)),
        trace=trace_context_of(headers),
    )


def _settle(record: RequestRecord, exchange: Exchange) -> None:
    """How it ended, unless the route told already."""
    record.end()
    if exchange.disconnected:
        record.outcome = Outcome.ABORTED
    elif record.outcome is None:
        whole = record.status is not None and exchange.complete
        record.outcome = outcome_of_status(record.status or 500) if whole else Outcome.FAILED


async def _refuse(error: RequestError, scope: Scope, receive: Receive, send: Send) -> None:
    body = error_json(request_error_envelope(error))
    response = Response(body, error.status, error.headers, media_type="application/json")
    await response(scope, receive, send)


def _number(value: bytes) -> int:
    # Cut, because Python makes no number of thousands of digits.
    return int(value[:18]) if value.isdigit() else 0
