"""An endpoint that tests ask: real HTTP on 127.0.0.1, with a list of models, and answers as the test decides."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from octupus.evaluate.scoring import Reply

Answer = Callable[[dict[str, Any]], Reply | tuple[int, str]]
"""A request's body to the answer, or to a status and the text of the response."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512  # else connections that come at once are refused


@dataclass
class AnsweringServer:
    answer: Answer = lambda request: Reply(content="Hello.")
    models: tuple[int, str] = (200, json.dumps({"object": "list", "data": [{"id": "small"}, {"id": "large"}]}))
    requests: list[dict[str, Any]] = field(default_factory=list)
    authorization: list[str] = field(default_factory=list)
    base_url: str = ""


@contextmanager
def answering_server(answer: Answer | None = None) -> Iterator[AnsweringServer]:
    state = AnsweringServer()
    if answer is not None:
        state.answer = answer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each reply waits for the client's delayed acknowledgement

        def do_GET(self) -> None:
            state.authorization.append(self.headers.get("Authorization", ""))
            self._send(*state.models)

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.requests.append(request)
            answer = state.answer(request)
            self._send(*((200, completion(answer)) if isinstance(answer, Reply) else answer))

        def _send(self, status: int, text: str) -> None:
            body = text.encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "text/html" if text.startswith("<") else "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except ConnectionError:
                self.close_connection = True  # whoever asked would not wait

        def log_message(self, *arguments: object) -> None:
            return

    server = _Server(("127.0.0.1", 0), Handler)
    state.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def completion(reply: Reply) -> str:
    calls = [
        {"id": f"call_{place}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for place, (name, arguments) in enumerate(reply.calls)
    ]
    message = {"role": "assistant", "content": reply.content, **({"tool_calls": calls} if calls else {})}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
    value = {"id": "x", "object": "chat.completion", "created": 0, "model": "small", "choices": [choice]}
    return json.dumps(value)
