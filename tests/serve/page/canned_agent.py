"""The canned server with an agent beside it, whose stream is a script: events, raw bytes, waits, and a broken line."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .canned import CannedServer

Event = dict[str, Any]
Step = Event | bytes | Literal["wait", "break"]
"""An event, bytes as they are, a wait until the test goes on, or a connection that breaks."""


@dataclass
class CannedAgent(CannedServer):
    """What the agent streams, and what it was asked."""

    script: list[Step] = field(default_factory=list)
    going_on: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    questions: list[Event] = field(default_factory=list)
    authorization: list[str | None] = field(default_factory=list)
    agent_refusal: tuple[int, Event] | None = None
    there: bool = True
    retrieval: bool = True

    def app(self) -> Starlette:
        app = super().app()
        app.routes.extend(
            [
                Route("/agent/stream", self._stream, methods=["POST"]),
                Route("/agent/methods", self._methods),
                Route("/agent/tools", self._tools),
            ]
        )
        return app

    async def _methods(self, request: Request) -> Response:
        if not self.there:
            return JSONResponse({"error": {"message": "GET /agent/methods: Not Found"}}, 404)
        return JSONResponse({"methods": ["CoT@1", "DFS_woFilter_w2"], "default": "DFS_woFilter_w2"})

    async def _tools(self, request: Request) -> Response:
        return JSONResponse({"tools": [{}, {}, {}], "retrieval": self.retrieval, "restorable": True})

    async def _stream(self, request: Request) -> Response:
        self.questions.append(await request.json())
        self.authorization.append(request.headers.get("authorization"))
        if self.agent_refusal is not None:
            status, error = self.agent_refusal
            return JSONResponse({"error": error}, status)
        return StreamingResponse(self._lines(), media_type="application/x-ndjson")

    async def _lines(self) -> AsyncIterator[bytes]:
        try:
            for step in self.script:
                if step == "wait":
                    while not self.going_on.acquire(blocking=False):
                        await asyncio.sleep(0.01)
                elif step == "break":
                    raise ConnectionError("as the test wants it")
                else:
                    yield step if isinstance(step, bytes) else json.dumps(step).encode() + b"\n"
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.left.set()
            raise


def begun(node: int, parent: int) -> list[Step]:
    """The model is asked for a message."""
    place = {"block_id": f"llm-{node}", "node": node, "parent": parent, "depth": 1}
    return [{"method_name": "on_chain_start", **place}, {"method_name": "on_llm_start", **place}]


def message(
    node: int,
    parent: int,
    *calls: tuple[str, str],
    content: str | None = None,
    results: list[tuple[int, str]] | None = None,
) -> list[Step]:
    """A message with calls, and the results of the first of them."""
    place = {"node": node, "parent": parent, "depth": 3}
    wanted = [
        {"id": f"c{position}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for position, (name, arguments) in enumerate(calls)
    ]
    response = {"role": "assistant", "content": content, "tool_calls": wanted}
    steps: list[Step] = [
        *begun(node, parent),
        {"method_name": "on_llm_end", **place, "response": response, "tokens_in": 100 * node, "tokens_out": node},
    ]
    for position, (status, output) in enumerate(results or []):
        call = {**place, "call_id": f"c{position}", "tool_name": calls[position][0]}
        steps.append(
            {"method_name": "on_agent_action", **place, "action": calls[position][0], "call_id": f"c{position}"}
        )
        steps.append({"method_name": "on_tool_start", **call})
        steps.append({"method_name": "on_tool_end", **call, "status": status, "output": output})
    return steps


def over(node: int, parent: int, finish: str | None = None, why_pruned: str = "") -> list[Step]:
    """A message's chain goes on, or ends here."""
    place = {"node": node, "parent": parent, "depth": 3}
    ended: list[Step] = [{"method_name": "on_agent_end", **place, "finish_type": finish}] if finish else []
    last = {"method_name": "on_chain_end", **place, "pruned": bool(why_pruned), "why_pruned": why_pruned}
    return [*ended, last]


def end(node: int, output: str, **more: Any) -> Event:
    """The last line of a whole stream."""
    spent = {"query_count": 5, "tokens_in": 1500, "tokens_out": 15, "stopped": ""}
    answer = {"method_name": "on_request_end", "output": output, "node": node, "win": bool(output)}
    return {**answer, "finish_type": "give_answer" if output else None, "chain": [], **spent, **more}
