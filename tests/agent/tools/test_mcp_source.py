import asyncio
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from octupus.agent.environment import Environment
from octupus.agent.tools import mcp_connection, mcp_source
from octupus.agent.tools.config import LimitsConfig, ToolSourceConfig
from octupus.agent.tools.mcp_source import McpSource
from octupus.agent.tools.sources import open_toolbox
from octupus.agent.tools.status import Status
from octupus.agent.tools.toolbox import ToolResult
from octupus.errors import ConfigError

from .local_server import LocalServer

HERE = Path(__file__).parent
REAL = (sys.executable, str(HERE / "mcp_server.py"), "stdio")


def plain(behaviour: str) -> tuple[str, ...]:
    return (sys.executable, "-S", str(HERE / "mcp_plain_server.py"), behaviour)


def with_source(use: Callable[[McpSource], Awaitable[Any]], **settings: Any) -> Any:
    async def run() -> Any:
        source = await McpSource.open(ToolSourceConfig(**settings))
        try:
            return await use(source)
        finally:
            await source.close()
            await source.close()

    return asyncio.run(run())


async def call(source: McpSource, name: str, **arguments: Any) -> ToolResult:
    result, state = await source.call(name, arguments, None)
    assert state is None
    return result


def is_alive(process: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone_soon(process: int) -> bool:
    deadline = time.monotonic() + 2
    while is_alive(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_alive(process)


def test_a_server_of_the_package() -> None:
    async def use(source: McpSource) -> int:
        tools = {entry.name: entry for entry in source.entries}
        assert tools["add"].tool.function.description == "Add numbers."
        assert tools["add"].collection == "test-server"
        assert tools["add"].tool.function.parameters["required"] == ["parts"]
        odd = next(entry for entry in source.entries if entry.api == "odd name/é")
        assert await call(source, odd.name) == ToolResult(Status.OK, '"odd"')
        assert await call(source, "add", parts=[1, 2], scale=10) == ToolResult(
            Status.OK, '{"total": 30, "parts": [1, 2]}'
        )
        assert await call(source, "say", text='{"a":1}') == ToolResult(Status.OK, '{"a": 1}')
        assert await call(source, "say", text="NaN") == ToolResult(Status.OK, '"NaN"')
        assert await call(source, "picture") == ToolResult(Status.OK, json.dumps("look\n[image/png, 10 bytes]"))
        failed = await call(source, "fail", reason="no money")
        assert failed.status is Status.TOOL_ERROR
        assert "no money" in failed.text
        assert await call(source, "fail_silently") == ToolResult(
            Status.TOOL_ERROR, "the tool failed and does not say why"
        )
        # From many tasks at once, and from a task that is not the one that opened it.
        results = await asyncio.gather(*(call(source, "say", text=str(n)) for n in range(20)))
        assert [result.text for result in results] == [str(n) for n in range(20)]
        return int((await call(source, "process")).text)

    assert gone_soon(with_source(use, mcp_command=REAL))


def test_a_server_that_ends_is_started_anew_at_the_next_call() -> None:
    async def use(source: McpSource) -> int:
        before = json.loads((await call(source, "one")).text)["pid"]
        left = await call(source, "two")
        assert left.status is Status.REQUEST_ERROR
        assert "status 3" in left.text
        after = json.loads((await call(source, "one")).text)["pid"]
        assert before != after
        assert not is_alive(before)
        return int(after)

    assert gone_soon(with_source(use, mcp_command=plain("leaves")))


def test_a_server_that_hangs_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_source, "STILL_THERE_S", 0.2)

    async def use(source: McpSource) -> list[int]:
        before = json.loads((await call(source, "one")).text)["pid"]
        began = time.monotonic()
        assert (await call(source, "two")).status is Status.TIMEOUT
        assert time.monotonic() - began < 5
        after = json.loads((await call(source, "one")).text)["pid"]
        assert after != before
        return [before, after]

    processes = with_source(use, mcp_command=plain("hangs"), limits=LimitsConfig(timeout_s=1))
    assert all(gone_soon(process) for process in processes)


def test_a_server_that_is_only_slow_is_kept() -> None:
    async def use(source: McpSource) -> None:
        before = (await call(source, "one")).text
        assert (await call(source, "two")).status is Status.TIMEOUT
        assert (await call(source, "one")).text == before

    with_source(use, mcp_command=plain("slow"), limits=LimitsConfig(timeout_s=1))


def test_lists_are_read_to_their_end_and_checked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")

    async def run() -> None:
        async with await open_toolbox([ToolSourceConfig(mcp_command=plain("good"))]) as toolbox:
            assert [entry.name for entry in toolbox.entries] == ["one", "two"]
            assert not toolbox.restorable
            assert len(toolbox.entry("two").tool.function.description) <= 2048
            environment = await Environment.open(toolbox)
            assert (await environment.call("one", '{"a": null}')).status is Status.OK
            assert (await environment.call("one", '{"a": "x"}')).status is Status.BAD_INPUT

    asyncio.run(run())
    assert '\\"an invalid schema\\": 2' in caplog.text
    assert '\\"a name that is used twice\\": 1' in caplog.text


def test_the_environment_of_a_server_holds_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-0123")
    monkeypatch.setenv("LANG", "C.UTF-8")

    async def use(source: McpSource) -> dict[str, str]:
        environment: dict[str, str] = json.loads((await call(source, "one")).text)["environment"]
        return environment

    environment = with_source(use, mcp_command=plain("good"))
    assert {"PATH", "HOME", "LANG"} <= environment.keys()
    assert "secret-0123" not in environment.values()
    assert not {name for name in environment if "KEY" in name or "TOKEN" in name}


@pytest.mark.parametrize("behaviour", ["stubborn", "parent", "loud", "good"])
def test_nothing_is_left_of_a_server(behaviour: str) -> None:
    async def use(source: McpSource) -> int:
        said = json.loads((await call(source, "one")).text)
        return int(said if behaviour == "parent" else said["pid"])

    began = time.monotonic()
    process = with_source(use, mcp_command=plain(behaviour))
    assert gone_soon(process)
    assert time.monotonic() - began < 8


def test_a_server_that_answers_badly_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_connection, "MESSAGE_BYTES", 2**20)

    async def refused(source: McpSource) -> ToolResult:
        return await call(source, "one", a=1)

    async def gone(source: McpSource) -> None:
        for _ in range(2):  # the second on a new server
            result = await call(source, "one")
            assert result.status is Status.REQUEST_ERROR
            assert "longer than" in result.text

    assert with_source(refused, mcp_command=plain("refuses")) == ToolResult(
        Status.REQUEST_ERROR, "the MCP server refuses the call: not today"
    )
    assert with_source(refused, mcp_command=plain("odd results")).status is Status.REQUEST_ERROR
    long = with_source(refused, mcp_command=plain("long"), limits=LimitsConfig(result_bytes=1000))
    assert long == ToolResult(Status.REQUEST_ERROR, "the result is longer than 1000 bytes")
    with_source(gone, mcp_command=plain("huge"))


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (plain("dies"), "no licence found"),
        (("/no/such/program",), "No such file"),
        ((str(HERE / "mcp_server.py"),), "Permission denied"),
        ((sys.executable, "-c", "print('hello')"), "cannot be used"),
        (plain("endless list"), "more than 20 pages"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), "no answer within 1 s"),
    ],
)
def test_a_server_that_does_not_start_is_an_error(
    command: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_connection, "MOST_PAGES", 20)
    monkeypatch.setattr(mcp_connection, "OPEN_TIMEOUT_S", 1.0 if "no answer" in says else 30.0)
    with pytest.raises(ConfigError, match=says):
        asyncio.run(McpSource.open(ToolSourceConfig(mcp_command=command)))


def test_only_takes_what_it_names() -> None:
    async def use(source: McpSource) -> None:
        assert [entry.name for entry in source.entries] == ["two"]

    with_source(use, mcp_command=plain("good"), only=("two",))
    with pytest.raises(ConfigError, match="did you mean 'one'"):
        with_source(use, mcp_command=plain("good"), only=("ones",))


def test_a_closed_source_stays_closed() -> None:
    async def run() -> None:
        source = await McpSource.open(ToolSourceConfig(mcp_command=plain("good")))
        closing = asyncio.create_task(source.close())  # another task than the one that opened it
        await closing
        assert (await call(source, "one")).status is Status.REQUEST_ERROR
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    asyncio.run(run())


# --- by HTTP


class Guarded:
    """The package's server by HTTP behind an Authorization header, with doors that lead elsewhere."""

    def __init__(self) -> None:
        from .mcp_server import server

        self.app = server.streamable_http_app(stateless_http=True, json_response=True)
        self.refuse_with: int | None = None
        self.elsewhere = ""
        self.sent: list[str | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        request = Request(scope)
        self.sent.append(request.headers.get("authorization"))
        answer: Response | None = None
        if self.elsewhere:
            answer = RedirectResponse(self.elsewhere, 307)
        elif self.refuse_with is not None or self.sent[-1] != "Bearer secret-0123":
            answer = JSONResponse({"sent": self.sent[-1]}, self.refuse_with or 401)
        return await (answer or self.app)(scope, receive, send)


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[LocalServer, Guarded]]:
    app = Guarded()
    server = LocalServer(app)
    yield server, app
    server.close()


def test_a_server_by_http(
    guarded: tuple[LocalServer, Guarded], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    server, app = guarded
    url = f"{server.url}/mcp"
    monkeypatch.delenv("TEST_AUTHORIZATION", raising=False)
    with pytest.raises(ConfigError, match="not set"):
        asyncio.run(McpSource.open(ToolSourceConfig(mcp_url=url, authorization_env="TEST_AUTHORIZATION")))
    with pytest.raises(ConfigError, match="cannot be used"):
        asyncio.run(McpSource.open(ToolSourceConfig(mcp_url=url)))
    monkeypatch.setenv("TEST_AUTHORIZATION", "Bearer secret-0123")

    async def use(source: McpSource) -> None:
        assert await call(source, "add", parts=[2]) == ToolResult(Status.OK, '{"total": 2, "parts": [2]}')
        assert (await call(source, "fail", reason="x")).status is Status.TOOL_ERROR
        for code, status in (
            (401, Status.UNAUTHORIZED),
            (403, Status.UNSUBSCRIBED),
            (429, Status.RATE_LIMIT),
            (404, Status.REQUEST_ERROR),
            (500, Status.REQUEST_ERROR),
        ):
            app.refuse_with = code
            assert (await call(source, "say", text="x")).status is status, code
        app.refuse_with = None
        assert (await call(source, "say", text="x")).status is Status.OK
        results = await asyncio.gather(*(call(source, "say", text=str(n)) for n in range(10)))
        assert [result.text for result in results] == [str(n) for n in range(10)]

    with_source(use, mcp_url=url, authorization_env="TEST_AUTHORIZATION")
    assert "secret-0123" not in caplog.text


def test_a_server_by_http_cannot_send_the_header_elsewhere(
    guarded: tuple[LocalServer, Guarded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_AUTHORIZATION", "Bearer secret-0123")
    reached: list[str] = []

    async def elsewhere(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])
        await JSONResponse({})(scope, receive, send)

    other = LocalServer(elsewhere, lifespan="off")

    async def use(source: McpSource) -> None:
        guarded[1].elsewhere = f"{other.url}/mcp"
        assert (await call(source, "say", text="x")).status is Status.REQUEST_ERROR

    try:
        with_source(use, mcp_url=f"{guarded[0].url}/mcp", authorization_env="TEST_AUTHORIZATION")
    finally:
        guarded[1].elsewhere = ""
        other.close()
    assert not reached


def test_a_server_by_http_that_goes_away_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_AUTHORIZATION", "Bearer secret-0123")

    class Switch:
        """Breaks connections while it is off."""

        on = True

        def __init__(self) -> None:
            self.app = Guarded()

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if not self.on and scope["type"] == "http":
                raise ConnectionResetError
            await self.app(scope, receive, send)

    app = Switch()
    server = LocalServer(app)

    async def use(source: McpSource) -> None:
        assert (await call(source, "say", text="1")).status is Status.OK
        assert await call(source, "say", text="my key is secret-0123") == ToolResult(Status.OK, '"my key is ***"')
        app.on = False
        assert (await call(source, "say", text="2")).status is Status.REQUEST_ERROR
        app.on = True
        assert (await call(source, "say", text="3")).status is Status.OK
        await asyncio.to_thread(server.close)
        for _ in range(2):
            assert (await call(source, "say", text="4")).status is Status.REQUEST_ERROR

    with_source(use, mcp_url=f"{server.url}/mcp", authorization_env="TEST_AUTHORIZATION")


def test_a_session_by_http_that_the_server_forgets_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also: a server that never answers the end of a session does not keep anybody waiting."""
    monkeypatch.setattr(mcp_connection, "CLOSE_TIMEOUT_S", 0.2)
    sessions: list[str] = []

    async def older(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        if request.method == "DELETE":
            await asyncio.sleep(60)
        if request.method != "POST":
            return await Response(status_code=405)(scope, receive, send)
        message = await request.json()
        if message["method"] == "initialize":
            sessions.append(f"session-{len(sessions)}")
        elif message["method"] == "server/discover" or request.headers.get("mcp-session-id") != sessions[-1]:
            return await Response(status_code=404)(scope, receive, send)
        if "id" not in message:
            return await Response(status_code=202)(scope, receive, send)
        results: dict[str, Any] = {
            "initialize": {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "older", "version": "1"},
            },
            "tools/list": {"tools": [{"name": "one", "inputSchema": {"type": "object"}}]},
            "tools/call": {"content": [{"type": "text", "text": "1"}]},
        }
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": results[message["method"]]}
        return await JSONResponse(answer, headers={"mcp-session-id": sessions[-1]})(scope, receive, send)

    server = LocalServer(older, lifespan="off")

    async def use(source: McpSource) -> None:
        assert (await call(source, "one")) == ToolResult(Status.OK, "1")
        sessions.append("another")
        assert (await call(source, "one")).status is Status.REQUEST_ERROR
        assert (await call(source, "one")) == ToolResult(Status.OK, "1")
        assert len(sessions) == 3

    try:
        with_source(use, mcp_url=f"{server.url}/mcp")
    finally:
        server.close()


def test_a_server_by_http_that_is_not_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        with pytest.raises(ConfigError, match="cannot be used"):
            asyncio.run(McpSource.open(ToolSourceConfig(mcp_url=f"http://127.0.0.1:{taken.getsockname()[1]}/mcp")))
