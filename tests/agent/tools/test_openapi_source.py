import asyncio
import inspect
import json
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Annotated, Any, Literal

import pytest
from fastapi import FastAPI, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, create_model

from octupus.agent.environment import Environment
from octupus.agent.tools.config import LimitsConfig, ToolSourceConfig
from octupus.agent.tools.openapi_source import OpenApiSource
from octupus.agent.tools.sources import open_toolbox
from octupus.agent.tools.status import Status
from octupus.agent.tools.toolbox import ToolResult
from octupus.errors import ConfigError
from octupus.schema.validation import violations

from .local_server import LocalServer

SECRET = 's3cret-\\token"-0123'
HEADER = f"Bearer {SECRET}"


class Address(BaseModel):
    street: str
    zip: int | None = None


class Person(BaseModel):
    name: str
    size: Literal["small", "large"] = "small"
    addresses: list[Address] = []
    marks: dict[str, float] = {}


class Node(BaseModel):
    value: int
    children: list["Node"] = []


def application(elsewhere: str) -> FastAPI:
    """A server that answers well and badly; `hits` counts what reached it."""
    app = FastAPI(title="Test server")
    app.state.hits = []

    @app.middleware("http")
    async def count(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        app.state.hits.append((request.method, request.url.path, dict(request.headers)))
        return await proceed(request)

    @app.post("/people/{group}", operation_id="add_person", tags=["People"])
    def add_person(group: str, person: Person, tags: Annotated[list[str] | None, Query()] = None, n: int = 1) -> Any:
        """Add a person to a group."""
        return {"group": group, "person": person.model_dump(), "tags": tags, "n": n}

    @app.post("/tree", operation_id="tree")
    def tree(node: Node) -> Any:
        return node

    @app.get("/status/{code}", operation_id="status")
    def status(code: int) -> Any:
        return JSONResponse({"detail": {"message": f"this is {code}"}}, code)

    @app.get("/guarded", operation_id="guarded")
    def guarded(request: Request) -> Any:
        sent = request.headers.get("authorization")
        return JSONResponse({"sent": sent}) if sent == HEADER else JSONResponse({"message": f"not {sent}"}, 401)

    @app.get("/refused", operation_id="refused")
    def refused(request: Request) -> Any:
        return Response(f"I do not like {request.headers.get('authorization')}", 403, media_type="text/plain")

    @app.get("/slow", operation_id="slow")
    async def slow() -> Any:
        await asyncio.sleep(20)

    @app.get("/trickle", operation_id="trickle")
    async def trickle() -> Any:
        async def pieces() -> Any:
            while True:
                yield b"x"
                await asyncio.sleep(0.05)

        return StreamingResponse(pieces(), media_type="text/plain")

    @app.get("/endless", operation_id="endless")
    async def endless() -> Any:
        async def pieces() -> Any:
            while True:
                yield b"[" * 65536

        return StreamingResponse(pieces(), media_type="application/json")

    @app.get("/redirect/{kind}", operation_id="redirect")
    def redirect(kind: str) -> Any:
        places = {"away": f"{elsewhere}/stolen", "home": "/text", "loop": "/redirect/loop", "odd": "gopher://x"}
        return RedirectResponse(places[kind])

    @app.post("/moved", operation_id="moved")
    def moved() -> Any:
        return RedirectResponse("/text", 302)

    @app.get("/text", operation_id="text")
    def text() -> Any:
        return Response('say "hé"', media_type="text/plain; charset=utf-8")

    @app.get("/lying", operation_id="lying")
    def lying(what: str) -> Any:
        return Response(what, media_type="application/json")

    @app.get("/image", operation_id="image")
    def image() -> Any:
        return Response(b"\x89PNG" + bytes(96), media_type="image/png")

    @app.delete("/nothing", operation_id="nothing", status_code=204)
    def nothing() -> None:
        return None

    @app.get("/cookie", operation_id="cookie")
    def cookie(request: Request) -> Any:
        return JSONResponse(request.headers.get("cookie"), headers={"set-cookie": "session=1"})

    @app.get("/cut", operation_id="cut")
    async def cut() -> Any:
        async def pieces() -> Any:
            yield b"1"
            raise ConnectionResetError

        return StreamingResponse(pieces(), media_type="application/json", headers={"content-length": "100"})

    @app.post("/upload", operation_id="upload", openapi_extra={"requestBody": {"content": {"multipart/form-data": {}}}})
    def upload() -> None: ...

    return app


@pytest.fixture(scope="module")
def other() -> Iterator[tuple[LocalServer, FastAPI]]:
    app = application("")
    server = LocalServer(app)
    yield server, app
    server.close()


@pytest.fixture(scope="module")
def server(other: tuple[LocalServer, FastAPI]) -> Iterator[tuple[LocalServer, FastAPI]]:
    app = application(other[0].url)
    server = LocalServer(app)
    yield server, app
    server.close()


def with_source(address: str, use: Callable[[OpenApiSource], Awaitable[Any]], **settings: Any) -> Any:
    async def run() -> Any:
        source = await OpenApiSource.open(ToolSourceConfig(openapi=f"{address}/openapi.json", **settings))
        try:
            return await use(source)
        finally:
            await source.close()
            await source.close()

    return asyncio.run(run())


def called(address: str, name: str, arguments: dict[str, Any] | None = None, **settings: Any) -> ToolResult:
    async def use(source: OpenApiSource) -> ToolResult:
        result, state = await source.call(name, arguments or {}, None)
        assert state is None
        return result

    result = with_source(address, use, **settings)
    assert isinstance(result, ToolResult)
    return result


def test_arguments_of_every_kind_arrive(server: tuple[LocalServer, FastAPI]) -> None:
    arguments = {
        "group": "a/b?c#d%2F é".replace("/", "-"),
        "tags": ["x y", "a&b=c", "+"],
        "n": 3,
        "name": "Zoë",
        "size": "large",
        "addresses": [{"street": "1", "zip": None}, {"street": "2", "zip": 5}],
        "marks": {"a": 1.5},
    }
    result = called(server[0].url, "add_person", arguments)
    assert result.status is Status.OK
    person = {key: arguments[key] for key in ("name", "size", "addresses", "marks")}
    assert json.loads(result.text) == {"group": arguments["group"], "person": person, "tags": arguments["tags"], "n": 3}


def test_an_environment_checks_against_the_schema_of_the_document(server: tuple[LocalServer, FastAPI]) -> None:
    async def run() -> None:
        only = ("add_person", "tree")
        config = ToolSourceConfig(openapi=f"{server[0].url}/openapi.json", only=only)
        async with await open_toolbox([config]) as toolbox:
            assert not toolbox.restorable
            assert tuple(entry.name for entry in toolbox.entries) == only
            assert toolbox.entry("add_person").tool.function.description == "Add Person. Add a person to a group."
            assert (toolbox.entry("tree").collection, toolbox.entry("add_person").category) == ("Test server", "People")
            environment = await Environment.open(toolbox)
            good = await environment.call("tree", '{"value": 1, "children": [{"value": 2, "children": []}]}')
            assert (good.status, json.loads(good.text)["children"][0]["value"]) == (Status.OK, 2)
            bad = await environment.call("tree", '{"value": 1, "children": [{"value": "two"}]}')
            assert bad.status is Status.BAD_INPUT
            assert (await environment.call("add_person", '{"group": "a"}')).status is Status.BAD_INPUT
            assert (await environment.call("add_person", '{"group": "..", "name": "x"}')).status is Status.BAD_INPUT

    asyncio.run(run())


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (201, Status.OK),
        (400, Status.TOOL_ERROR),
        (401, Status.UNAUTHORIZED),
        (402, Status.UNSUBSCRIBED),
        (403, Status.UNSUBSCRIBED),
        (404, Status.NOT_FOUND),
        (409, Status.TOOL_ERROR),
        (429, Status.RATE_LIMIT),
        (499, Status.TOOL_ERROR),
        (500, Status.REQUEST_ERROR),
        (503, Status.REQUEST_ERROR),
    ],
)
def test_statuses_are_told_apart(server: tuple[LocalServer, FastAPI], code: int, status: Status) -> None:
    result = called(server[0].url, "status", {"code": code})
    assert result.status is status
    if status is not Status.OK:
        assert result.text.startswith(f"HTTP {code}")
        assert result.text.endswith(f": this is {code}")


def test_results_are_json_whatever_the_server_sends(server: tuple[LocalServer, FastAPI]) -> None:
    async def use(source: OpenApiSource) -> None:
        async def call(name: str, **arguments: Any) -> ToolResult:
            return (await source.call(name, arguments, None))[0]

        assert await call("text") == ToolResult(Status.OK, '"say \\"hé\\""')
        assert await call("nothing") == ToolResult(Status.OK, "null")
        assert await call("image") == ToolResult(Status.OK, '{"media_type": "image/png", "bytes": 100}')
        assert await call("lying", what='{"a":[1,2]}') == ToolResult(Status.OK, '{"a": [1, 2]}')
        for what in ("<html>", '{"a": NaN}', '{"a": 1'):
            assert (await call("lying", what=what)).status is Status.REQUEST_ERROR
        assert await call("redirect", kind="home") == ToolResult(Status.OK, '"say \\"hé\\""')

    with_source(server[0].url, use)


def test_a_server_that_misbehaves_is_bounded(server: tuple[LocalServer, FastAPI]) -> None:
    limits = LimitsConfig(timeout_s=0.4, result_bytes=1000)

    async def use(source: OpenApiSource) -> None:
        for name, status in (
            ("slow", Status.TIMEOUT),
            ("trickle", Status.TIMEOUT),
            ("endless", Status.REQUEST_ERROR),
            ("cut", Status.REQUEST_ERROR),
            ("text", Status.OK),
        ):
            began = time.monotonic()
            result, _ = await source.call(name, {}, None)
            assert result.status is status, (name, result)
            assert time.monotonic() - began < 5
        for letters, status in ((499, Status.OK), (500, Status.REQUEST_ERROR)):  # 1000 bytes of JSON, and 1002
            result, _ = await source.call("lying", {"what": f'"{"é" * letters}"'}, None)
            assert result.status is status

    with_source(server[0].url, use, limits=limits)


def test_nothing_is_sent_to_another_host(
    server: tuple[LocalServer, FastAPI], other: tuple[LocalServer, FastAPI], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_AUTHORIZATION", HEADER)
    reached = len(other[1].state.hits)
    for kind in ("away", "loop", "odd"):
        result = called(server[0].url, "redirect", {"kind": kind}, authorization_env="TEST_AUTHORIZATION")
        assert result.status is Status.REQUEST_ERROR, kind
        assert "redirect" in result.text or "reached" in result.text
    assert called(server[0].url, "moved").status is Status.REQUEST_ERROR
    assert len(other[1].state.hits) == reached


def test_a_document_of_another_host_is_fetched_without_the_header(
    server: tuple[LocalServer, FastAPI], other: tuple[LocalServer, FastAPI], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_AUTHORIZATION", HEADER)
    other[1].state.hits.clear()
    result = called(other[0].url, "guarded", base_url=server[0].url, authorization_env="TEST_AUTHORIZATION")
    assert result.status is Status.OK
    assert [path for _, path, _ in other[1].state.hits] == ["/openapi.json"]
    assert "authorization" not in other[1].state.hits[0][2]


def test_the_header_is_sent_and_never_shown(
    server: tuple[LocalServer, FastAPI], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert called(server[0].url, "guarded").status is Status.UNAUTHORIZED
    monkeypatch.setenv("TEST_AUTHORIZATION", HEADER)
    accepted = called(server[0].url, "guarded", authorization_env="TEST_AUTHORIZATION")
    assert accepted == ToolResult(Status.OK, '{"sent": "***"}')
    refused = called(server[0].url, "refused", authorization_env="TEST_AUTHORIZATION")
    assert refused == ToolResult(Status.UNSUBSCRIBED, "HTTP 403 Forbidden: I do not like ***")
    assert "0123" not in caplog.text
    assert "openapi_tools" in caplog.text


@pytest.mark.parametrize(("value", "says"), [(None, "not set"), ("  ", "not set"), ("Bearer a\nb", "character")])
def test_a_header_that_cannot_be_sent_is_an_error(
    value: str | None, says: str, server: tuple[LocalServer, FastAPI], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_AUTHORIZATION", raising=False)
    if value is not None:
        monkeypatch.setenv("TEST_AUTHORIZATION", value)
    with pytest.raises(ConfigError, match=says) as caught:
        called(server[0].url, "guarded", authorization_env="TEST_AUTHORIZATION")
    assert "Bearer a" not in str(caught.value)


def test_cookies_are_not_kept(server: tuple[LocalServer, FastAPI]) -> None:
    async def use(source: OpenApiSource) -> None:
        for _ in range(2):
            assert (await source.call("cookie", {}, None))[0] == ToolResult(Status.OK, "null")

    with_source(server[0].url, use)


def test_only_takes_what_it_names(server: tuple[LocalServer, FastAPI], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(ConfigError, match="did you mean 'add_person'"):
        called(server[0].url, "", only=("add_persons",))
    assert 'left_out="{\\"a body of multipart/form-data\\": 1}"' in caplog.text


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match="cannot be fetched"):
            called(address, "x")


def test_a_server_that_goes_away_is_a_result_and_may_come_back(tmp_path: Any) -> None:
    document = {"openapi": "3.1.0", "info": {}, "paths": {"/text": {"get": {"operationId": "text"}}}}
    path = tmp_path / "api.json"
    path.write_text(json.dumps(document))
    server = LocalServer(application(""))

    async def run() -> None:
        config = ToolSourceConfig(openapi=str(path), base_url=server.url)
        source = await OpenApiSource.open(config)
        assert (await source.call("text", {}, None))[0].status is Status.OK
        await asyncio.to_thread(server.close)
        result, _ = await source.call("text", {}, None)
        assert result.status is Status.REQUEST_ERROR
        await source.close()

    asyncio.run(run())


def test_many_calls_at_once(server: tuple[LocalServer, FastAPI]) -> None:
    async def use(source: OpenApiSource) -> None:
        results = await asyncio.gather(*(source.call("lying", {"what": str(n)}, None) for n in range(40)))
        assert [result.text for result, _ in results] == [str(n) for n in range(40)]

    with_source(server[0].url, use)


# --- random parameters: a FastAPI server is made for them, and its own document says how they are sent

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_INTEGERS = st.integers(-(2**53), 2**53)
_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
_SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, _TEXT),
    (int, _INTEGERS),
    (float, _FLOATS | _INTEGERS),
    (bool, st.booleans()),
    (Literal["red", "dark blue", "a&b"], st.sampled_from(["red", "dark blue", "a&b"])),
]
_SHORTER = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","), min_size=1, max_size=9)
_OF_PLACE: dict[str, list[tuple[Any, st.SearchStrategy[Any]]]] = {
    # A slash is sent as %2F, which uvicorn decodes before it looks for the route; dots are refused.
    "path": [
        (str, _TEXT.filter(lambda text: text not in ("", ".", "..") and not set("/\\") & set(text))),
        *_SCALARS[1:],
    ],
    # A list without items cannot be told from none in a query.
    "query": [*_SCALARS, *((list[kind], st.lists(drawn, min_size=1, max_size=4)) for kind, drawn in _SCALARS)],
    "header": [(str, _SHORTER), *_SCALARS[1:]],
}
_BODY: list[tuple[Any, st.SearchStrategy[Any]]] = [
    *_SCALARS,
    (list[dict[str, int]], st.lists(st.dictionaries(_TEXT, _INTEGERS, max_size=3), max_size=3)),
    (list[float | None], st.lists(_FLOATS | st.none(), max_size=4)),
    (Address, st.fixed_dictionaries({"street": _TEXT, "zip": _INTEGERS | st.none()})),
    (list[Address], st.lists(st.fixed_dictionaries({"street": _TEXT, "zip": _INTEGERS}), max_size=2)),
]
_MAKERS: dict[str, Callable[..., Any]] = {"path": Path, "query": Query, "header": Header}


class _Switch:
    """An ASGI application that can be another one for each example."""

    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        with suppress(asyncio.CancelledError):
            await self.app(scope, receive, send)


@pytest.fixture(scope="module")
def switch() -> Iterator[tuple[LocalServer, _Switch]]:
    switch = _Switch()
    server = LocalServer(switch, lifespan="off")
    yield server, switch
    server.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_sent_arrives(data: st.DataObject, switch: tuple[LocalServer, _Switch]) -> None:
    names = ["id", "q", "body", "x-y"]
    given_names: set[str] = set()
    signature: list[inspect.Parameter] = []
    arguments: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    path = "/call"
    for place in ("path", "query", "header"):
        # Starlette's routes take only identifiers.
        possible = [name for name in names if place != "path" or name.isidentifier()]
        for name in data.draw(st.lists(st.sampled_from(possible), unique=True, max_size=3), label=place):
            kind, drawn = data.draw(st.sampled_from(_OF_PLACE[place]))
            required = place == "path" or data.draw(st.booleans())
            own = f"p{len(signature)}"
            annotation = kind if required else kind | None
            default = inspect.Parameter.empty if required else None
            annotated = Annotated[annotation, _MAKERS[place](alias=name)]
            signature.append(
                inspect.Parameter(own, inspect.Parameter.KEYWORD_ONLY, annotation=annotated, default=default)
            )
            path += f"/{{{name}}}" if place == "path" else ""
            argument = name if name not in given_names else f"{name}_{place}"
            given_names.add(argument)
            expected[own] = data.draw(drawn) if required or data.draw(st.booleans()) else None
            if expected[own] is not None:
                arguments[argument] = expected[own]
    fields = data.draw(st.lists(st.sampled_from([*names, "other"]), unique=True, max_size=3), label="body")
    if fields:
        kinds = {field: data.draw(st.sampled_from(_BODY)) for field in fields}
        attributes = {f"f_{n}": field for n, field in enumerate(fields)}
        model: Any = create_model("Body", **{own: (kinds[field][0], ...) for own, field in attributes.items()})
        for own, field in attributes.items():
            model.model_fields[own].alias = model.model_fields[own].validation_alias = field
        model.model_rebuild(force=True)
        signature.append(inspect.Parameter("whole", inspect.Parameter.KEYWORD_ONLY, annotation=model))
        body = {field: data.draw(drawn) for field, (_, drawn) in kinds.items()}
        expected["whole"] = {own: body[field] for own, field in attributes.items()}
        aside = "request_body" if "body" in given_names else "body"
        arguments |= {aside: body} if given_names & set(fields) else body

    received: list[dict[str, Any]] = []

    def handler(**values: Any) -> Any:
        received.append({k: v.model_dump() if isinstance(v, BaseModel) else v for k, v in values.items()})
        return "done"

    handler.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    server, application = switch
    application.app = FastAPI()
    application.app.post(path, operation_id="call")(handler)

    async def use(source: OpenApiSource) -> None:
        assert not violations(source.entries[0].tool.function.parameters, arguments)
        result, _ = await source.call("call", arguments, None)
        assert result == ToolResult(Status.OK, '"done"')

    with_source(server.url, use)
    assert received == [expected]
