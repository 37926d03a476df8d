"""A teacher that tests ask: a real HTTP server on 127.0.0.1 that speaks chat completions and fails as it is told."""

import json
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """One scripted reply; what is not said is as in a plain answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    body: bytes | None = None
    message: dict[str, Any] | None = None
    finish_reason: str = "stop"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512  # else connections that come at once are refused


class TeacherServer:
    """Answers the last message of each prompt; the text of the answer depends on the whole prompt alone."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.scripts: dict[str, list[Reply]] = {}
        """By last message: replies for the first requests; after these it answers plainly."""
        self.always: dict[str, Reply] = {}
        self.requests: list[dict[str, Any]] = []
        self.authorization: list[str] = []
        self.times: dict[str, list[float]] = defaultdict(list)
        self.answered: Counter[str] = Counter()
        """By whole prompt, as JSON: how often an answer went out."""
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def asked(self) -> Counter[str]:
        """How often each prompt came, by its last message."""
        return Counter(request["messages"][-1]["content"] for request in self.requests)

    def _reply(self, request: dict[str, Any], authorization: str) -> Reply:
        last = request["messages"][-1]["content"]
        with self._lock:
            self.requests.append(request)
            self.authorization.append(authorization)
            self.times[last].append(time.monotonic())
            script = self.scripts.get(last)
            return script.pop(0) if script else self.always.get(last, Reply(delay_s=self.delay_s))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        teacher = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each reply waits for the client's delayed acknowledgement

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                reply = teacher._reply(request, self.headers.get("Authorization", ""))
                time.sleep(reply.delay_s)
                body = reply.body
                if body is None:
                    body = completion(request, reply) if reply.status == 200 else error(request, self.headers)
                try:
                    self.send_response(reply.status)
                    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))} | reply.headers
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)
                    self.wfile.flush()
                except ConnectionError:
                    self.close_connection = True  # whoever asked has been killed, or would not wait
                    return
                if reply.status == 200 and reply.body is None:
                    with teacher._lock:
                        teacher.answered[json.dumps(request["messages"])] += 1

            def log_message(self, *arguments: object) -> None:
                return

        return Handler


def answer_to(messages: list[dict[str, Any]]) -> str:
    """What the teacher says."""
    return f"Answer {len(messages)} to: {messages[-1]['content']}"


def completion(request: dict[str, Any], reply: Reply) -> bytes:
    message = reply.message or {"role": "assistant", "content": answer_to(request["messages"])}
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    value = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
    return json.dumps(value).encode()


def error(request: dict[str, Any], headers: Any) -> bytes:
    # Some endpoints repeat the key they were sent.
    return json.dumps({"error": {"message": f"refused {headers.get('Authorization')}", "type": "x"}}).encode()
