"""A small server with the page and canned answers of the API, in a thread; and the system's Chromium."""

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from octupus.serve.page.files import HEADERS, page_files

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def browser() -> Iterator[Any]:
    """The system's Chromium, headless; the test is skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install .[dev])")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine (apt install chromium)")
    with sync_api.sync_playwright() as playwright:
        # Without its sandbox, since tests often run as root in a container, and only our own page is opened.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()


@dataclass
class CannedServer:
    """What the API answers, and what it was asked."""

    url: str = ""
    key: str | None = None
    answers: list[list[dict[str, Any]]] = field(default_factory=list)
    """Deltas of the next answers; a dictionary with `error` breaks the answer off."""
    notes: dict[str, Any] = field(default_factory=dict)
    refusal: dict[str, Any] | None = None
    check: dict[str, Any] = field(default_factory=lambda: {"admitted": True, "tools": []})
    hold: threading.Event = field(default_factory=threading.Event)
    """Unset, an answer waits behind its first delta."""
    left: threading.Event = field(default_factory=threading.Event)
    """Set when a client left in the middle of an answer."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    checked: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> Starlette:
        routes = [
            Route("/v1/models", self._models),
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/tools:check", self._check, methods=["POST"]),
        ]
        return Starlette(routes=[*routes, *(Route(path, self._file) for path in page_files())])

    async def _file(self, request: Request) -> Response:
        file = page_files()[request.url.path]
        return Response(file.body, media_type=file.media_type, headers=HEADERS)

    async def _models(self, request: Request) -> Response:
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            return JSONResponse({"error": {"message": "wrong key", "code": "invalid_api_key"}}, 401)
        return JSONResponse({"object": "list", "data": [{"id": "octupus"}, {"id": "octupus:adapter"}]})

    async def _check(self, request: Request) -> Response:
        self.checked.append(await request.json())
        return JSONResponse({"object": "tools.check", **self.check})

    async def _chat(self, request: Request) -> Response:
        self.asked.append(await request.json())
        if self.refusal is not None:
            return JSONResponse({"error": self.refusal}, 400)
        return StreamingResponse(self._events(self.answers.pop(0)), media_type="text/event-stream")

    async def _events(self, deltas: list[dict[str, Any]]) -> AsyncIterator[str]:
        try:
            for position, delta in enumerate(deltas):
                if "error" in delta:
                    yield f"data: {json.dumps(delta)}\n\n"
                    return
                yield _event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
                while position == 0 and not self.hold.is_set():
                    await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.left.set()
            raise
        reason = "tool_calls" if any("tool_calls" in delta for delta in deltas) else "stop"
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
        yield _event(last | ({"octupus": self.notes} if self.notes else {}))
        yield _event({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46}})
        yield "data: [DONE]\n\n"


def _event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', 'model': 'octupus', **chunk})}\n\n"


@contextmanager
def served(canned: CannedServer) -> Iterator[CannedServer]:
    """The server on a free port of 127.0.0.1."""
    config = uvicorn.Config(canned.app(), host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        threading.Event().wait(0.01)
    canned.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    try:
        yield canned
    finally:
        canned.hold.set()
        server.should_exit = True
        thread.join(10)
