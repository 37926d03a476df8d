"""The edge, as a real ASGI application, and before a real server for clients that go away."""

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.exceptions import TaskCancelledError
from ray.serve._private.http_util import RequestIdMiddleware

from octupus.errors import RequestError
from octupus.serve.config import AccessConfig, LimitsConfig, ModelConfig, ObservabilityConfig, ServeConfig
from octupus.serve.ingress.access_log import AccessLog
from octupus.serve.ingress.connection import ClientGoneError, EventStream
from octupus.serve.ingress.edge import Edge, EdgeMiddleware
from octupus.serve.ingress.gate import Gate
from octupus.serve.ingress.keys import ApiKeys
from octupus.serve.ingress.metrics import Metrics
from octupus.serve.ingress.record import Outcome, RequestRecord, record_of
from octupus.serve.ingress.request_ids import RequestIds

KEY = {"authorization": "Bearer good"}


class Kept(Metrics):
    """Keeps the records of requests that ended."""

    def __init__(self) -> None:
        super().__init__("m", lambda definition, model: lambda value, **labels: None)
        self.records: list[RequestRecord] = []
        self.counts: list[int] = []

    def ended(self, record: RequestRecord) -> None:
        super().ended(record)
        self.records.append(record)

    def active(self, count: int) -> None:
        self.counts.append(count)


class World:
    """An application with an edge, and what the edge told of its requests."""

    def __init__(
        self, access: AccessConfig | None = None, served_by_ray: bool = False, limit: int = 10, **limits: Any
    ) -> None:
        config = ServeConfig(
            model=ModelConfig(source=Path("m")),
            access=access or AccessConfig(),
            limits=LimitsConfig(**limits),
        )
        self.metrics = Kept()
        keys = ApiKeys(config.access, {"KEYS": "good"})
        log = AccessLog(ObservabilityConfig())
        self.edge = Edge(config, keys, Gate(limit), self.metrics, log, served_by_ray=served_by_ray)
        self.app = application()
        self.app.add_middleware(EdgeMiddleware, edge=lambda: self.edge)

    @property
    def record(self) -> RequestRecord:
        """Of the only request so far."""
        (record,) = self.metrics.records
        return record

    def ask(self, method: str, path: str, app: Any = None, **arguments: Any) -> httpx.Response:
        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app or self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **arguments)

        return asyncio.run(run())


def application() -> FastAPI:
    """Routes that answer, stream, fail, and fail half-way."""
    api = FastAPI(docs_url=None, redoc_url=None)

    @api.exception_handler(RequestError)
    async def refused(request: Request, error: RequestError) -> JSONResponse:
        return JSONResponse({"error": {"message": str(error), "code": error.code}}, error.status, error.headers)

    @api.get("/health")
    @api.get("/metrics")
    @api.get("/")
    async def small(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok", headers={"x-request-id": "the application's own"})

    @api.post("/v1/chat/completions")
    async def chat(request: Request) -> JSONResponse:
        body = b"".join([piece async for piece in request.stream()])
        record_of(request.scope).prompt_tokens = len(body)
        return JSONResponse({"bytes": len(body), "same": request.state.record is record_of(request.scope)})

    @api.exception_handler(ClientGoneError)
    async def gone(request: Request, error: ClientGoneError) -> Response:
        return Response(status_code=499)

    async def events() -> AsyncGenerator[str]:
        for number in range(1000):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.01)

    @api.post("/v1/responses")
    async def starlettes_stream(request: Request) -> Response:
        await request.body()
        return StreamingResponse(events(), media_type="text/event-stream")

    @api.post("/responses")
    async def our_stream(request: Request) -> Response:
        await request.body()
        return EventStream(events())

    @api.post("/v1/completions")
    async def half(request: Request) -> StreamingResponse:
        async def broken() -> AsyncIterator[str]:
            yield "data: 0\n\n"
            raise KeyError("SECRET PROMPT")

        return StreamingResponse(broken())

    @api.post("/fail")
    async def fail(request: Request) -> None:
        raise KeyError("SECRET PROMPT")

    return api


@contextmanager
def served(app: Any) -> Iterator[int]:
    """The application before a real server, in a thread of its own."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def until(condition: Any) -> None:
    """Wait, and fail when it takes too long."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ids_of(response: httpx.Response) -> list[bytes]:
    return [value for name, value in response.headers.raw if name.lower() == b"x-request-id"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.binary(max_size=150) | st.just(b"good-id"), max_size=2),
    st.sampled_from(["/health", "/nothing", "/fail", "/v1/chat/completions"]),
    st.booleans(),
)
def test_any_request_id_gives_exactly_one_valid_one_before_any_server(
    sent: list[bytes], path: str, served_by_ray: bool
) -> None:
    world = World(served_by_ray=served_by_ray)
    # As in Serve: its own middleware adds the id that came, and ours stands around it.
    app = RequestIds(RequestIdMiddleware(world.app)) if served_by_ray else world.app
    method = "GET" if path == "/health" else "POST"
    response = world.ask(method, path, app, headers=[(b"x-request-id", value) for value in sent])
    (found,) = ids_of(response)
    assert 1 <= len(found) <= 128
    assert all(0x21 <= byte <= 0x7E for byte in found)
    assert found.decode() == world.record.request_id
    assert (found == b"good-id") == (sent == [b"good-id"])


@pytest.mark.parametrize(
    ("method", "path", "needs_key"),
    [
        ("GET", "/health", False),
        ("GET", "/", False),
        ("GET", "/metrics", True),
        ("GET", "/nothing", True),
        ("POST", "/health", True),
        ("POST", "/v1/chat/completions", True),
    ],
)
def test_which_paths_need_a_key(method: str, path: str, needs_key: bool) -> None:
    world = World(AccessConfig(api_keys_variable="KEYS"))
    response = world.ask(method, path)
    assert (response.status_code == 401) == needs_key
    if needs_key:
        assert response.json()["error"]["code"] == "invalid_api_key"
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert world.record.outcome is Outcome.UNAUTHORISED
        assert world.ask(method, path, headers=KEY).status_code != 401
        assert world.metrics.records[1].key_id


def test_without_a_page_its_path_needs_a_key() -> None:
    assert World(AccessConfig(api_keys_variable="KEYS", page=False)).ask("GET", "/").status_code == 401


@pytest.mark.parametrize(("origin", "allowed"), [("https://good.example", True), ("https://bad.example", False)])
def test_browsers_get_permission_for_configured_origins_even_with_refusals(origin: str, allowed: bool) -> None:
    access = AccessConfig(api_keys_variable="KEYS", cors_origins=["https://good.example"])
    asks = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    preflight = World(access).ask("OPTIONS", "/v1/chat/completions", headers=asks)
    refusal = World(access).ask("POST", "/v1/chat/completions", headers={"origin": origin})
    assert preflight.is_success == allowed
    assert refusal.status_code == 401
    for response in (preflight, refusal):
        assert (response.headers.get("access-control-allow-origin") == origin) == allowed
    closed = World().ask("POST", "/v1/chat/completions", headers={"origin": origin})
    assert not [name for name in closed.headers if name.startswith("access-control")]


def test_a_body_that_says_it_is_too_long_is_not_read() -> None:
    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("read")
        yield b""

    world = World(max_body_bytes=1024)
    for length in ("1025", "9" * 5000):
        response = world.ask("POST", "/v1/chat/completions", content=body(), headers={"content-length": length})
        assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")
    fitting = world.ask("POST", "/v1/chat/completions", content=b"x" * 1024)
    assert fitting.json() == {"bytes": 1024, "same": True}
    assert [record.outcome for record in world.metrics.records] == [Outcome.REFUSED, Outcome.REFUSED, Outcome.ANSWERED]
    assert world.metrics.records[2].prompt_tokens == 1024


def test_beyond_the_limit_generating_requests_are_shed_unread_and_others_answered() -> None:
    async def run() -> None:
        world = World(limit=2)
        transport = httpx.ASGITransport(world.app)
        release = asyncio.Event()
        read: list[int] = []

        async def body(number: int) -> AsyncIterator[bytes]:
            read.append(number)
            yield b"x"
            await release.wait()

        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:

            def ask(number: int) -> Any:
                return asyncio.create_task(client.post("/v1/chat/completions", content=body(number)))

            held = [ask(0), ask(1)]
            while world.edge.gate.active < 2:
                await asyncio.sleep(0)
            shed = await ask(2)
            assert (shed.status_code, shed.json()["error"]["code"]) == (429, "overloaded")
            assert 1 <= int(shed.headers["retry-after"]) <= 30
            assert 2 not in read
            assert (await client.get("/health")).status_code == 200
            release.set()
            assert [(await task).status_code for task in held] == [200, 200]
            release.set()
            assert (await ask(3)).status_code == 200
        assert world.edge.gate.active == 0
        assert world.metrics.counts[-1] == 0
        assert max(world.metrics.counts) == 2
        assert [record.outcome for record in world.metrics.records].count(Outcome.SHED) == 1

    asyncio.run(run())


def test_while_draining_new_work_is_sent_elsewhere() -> None:
    world = World()
    world.edge.draining = True
    for method, path in (("POST", "/v1/chat/completions"), ("GET", "/health")):
        response = world.ask(method, path)
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
    assert world.ask("GET", "/metrics").status_code == 200
    assert [record.outcome for record in world.metrics.records] == [Outcome.SHED, Outcome.SHED, Outcome.ANSWERED]


def test_an_unexpected_failure_is_told_by_its_id_and_not_its_text(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("octupus"), "propagate", True)
    world = World()
    response = world.ask("POST", "/fail", headers={"x-request-id": "my-id"})
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (500, "server_error")
    assert "my-id" in error["message"]
    assert "SECRET" not in response.text
    (logged,) = [item for item in caplog.records if item.levelno == logging.ERROR]
    assert logged.exc_info
    assert "my-id" in logged.getMessage()
    assert world.record.outcome is Outcome.FAILED


def test_a_stream_that_fails_half_way_is_cut() -> None:
    world = World()
    with served(world.app) as port:
        answer = b""
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"POST /v1/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n")
            while piece := client.recv(4096):
                answer += piece
    assert b"data: 0" in answer
    assert not answer.endswith(b"0\r\n\r\n")
    assert b"SECRET" not in answer
    assert (world.record.status, world.record.outcome) == (200, Outcome.FAILED)


@pytest.mark.parametrize("path", ["/v1/responses", "/responses"])
@pytest.mark.parametrize("sent", ["part of the body", "the whole request"])
def test_a_client_that_goes_is_logged_as_499_and_gives_its_place_back(
    sent: str, path: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("octupus", "octupus.access"):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
    caplog.set_level(logging.INFO, "octupus.access")
    world = World()
    with served(world.app) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(f"POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nab".encode())
            until(lambda: world.edge.gate.active == 1)
            if sent == "the whole request":
                client.sendall(b"cd")
                assert b"200" in client.recv(4096)
        until(lambda: world.metrics.records)
    assert world.edge.gate.active == 0
    assert world.record.outcome is Outcome.ABORTED
    (line,) = [json.loads(item.getMessage()) for item in caplog.records if item.name == "octupus.access"]
    assert (line["status"], line["outcome"], line["route"]) == (499, "aborted", "/responses")
    assert not [item for item in caplog.records if item.levelno >= logging.ERROR]


def test_a_request_that_serve_cancels_counts_as_aborted() -> None:
    async def run() -> World:
        world = World()
        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": [], "query_string": b""}
        task = asyncio.create_task(world.app(scope, asyncio.Event().wait, None))  # type: ignore[arg-type]
        while world.edge.gate.active == 0:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return world

    world = asyncio.run(run())
    assert world.record.outcome is Outcome.ABORTED
    assert world.edge.gate.active == 0


def test_a_client_that_serve_tells_gone_by_an_error_counts_as_aborted() -> None:
    async def run() -> World:
        world, bodies = World(), [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            if bodies:
                return bodies.pop()
            raise TaskCancelledError

        async def send(message: Any) -> None:
            assert not bodies

        scope = {"type": "http", "method": "POST", "path": "/v1/responses", "headers": [], "query_string": b""}
        await world.app(scope, receive, send)
        return world

    assert asyncio.run(run()).record.outcome is Outcome.ABORTED


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    world = World(body_timeout_s=0.05)
    with served(world.app) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nab")
        answer = client.recv(4096)
    assert b" 408 " in answer
    assert world.record.outcome is Outcome.TIMED_OUT


def test_trace_ids_are_kept_and_passed_on() -> None:
    world = World()
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    world.ask("GET", "/health", headers={"traceparent": parent})
    assert world.record.trace_headers() == {"traceparent": parent}
