"""The oracle's HTTP server: the standard library's, one thread a connection, no state but counters."""

import json
import logging
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.bfcl_oracle import wire
from tests.bfcl_oracle.answers import any_call
from tests.bfcl_oracle.failures import ERRORS, HTML_PAGE, Failure, Kind
from tests.bfcl_oracle.items import CATEGORIES, Item, load_items
from tests.bfcl_oracle.recognition import Conversation, Place, Recogniser

logger = logging.getLogger(__name__)

NOTHING_TO_CALL = "None of these tools is needed for that."

Api = tuple[Callable[[Any], Conversation], Callable[[wire.Answer, Any, int], wire.Body]]
APIS: dict[str, Api] = {
    "/chat/completions": (wire.chat_conversation, wire.chat_body),
    "/responses": (wire.responses_conversation, wire.responses_body),
}


class OracleServer(ThreadingHTTPServer):
    """Holds what every request needs. `one_by_one` sends a turn's calls in one answer each instead of all in one."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(
        self,
        port: int,
        recogniser: Recogniser,
        failures: Sequence[Failure] = (),
        api_key: str | None = None,
        models: Sequence[str] = ("oracle",),
        one_by_one: bool = False,
    ) -> None:
        super().__init__(("127.0.0.1", port), OracleHandler)
        self.recogniser = recogniser
        self.failures = failures
        self.api_key = api_key
        self.models = models
        self.one_by_one = one_by_one
        self.stopped = threading.Event()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(sorted(self._counts.items()))

    def failure(self, item: Item | None) -> Kind | None:
        """What this request gets in place of its answer; `item` is None for one that is no item's."""
        return next((failure.kind for failure in self.failures if _falls_on(failure, item)), None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if isinstance(sys.exception(), ConnectionError):  # a client that hangs up, as silence makes it do
            logger.debug("%s hung up", client_address, exc_info=True)
        else:
            super().handle_error(request, client_address)

    def stop(self) -> None:
        self.stopped.set()
        self.shutdown()
        self.server_close()


class OracleHandler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    server: OracleServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536  # headers and body leave in one segment

    def do_GET(self) -> None:
        path = self.path.removeprefix("/v1")
        if path == "/statistics":
            return self._send(200, wire.encode(self.server.counts()))
        if not self._admitted():
            return None
        if path != "/models":
            return self._send(404, wire.encode(wire.error_body(f"no route GET {self.path}", "invalid_request_error")))
        return self._deliver(wire.models_body(self.server.models), self.server.failure(None))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        api = APIS.get(self.path.removeprefix("/v1"))
        if not self._admitted():
            return None
        if api is None:
            return self._send(404, wire.encode(wire.error_body(f"no route POST {self.path}", "invalid_request_error")))
        read, write = api
        try:
            body = json.loads(raw)
            conversation = read(body)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"not a request of this API: {error!r}"
            return self._send(400, wire.encode(wire.error_body(message, "invalid_request_error")))
        if body.get("stream"):
            message = "the oracle does not stream"
            return self._send(400, wire.encode(wire.error_body(message, "invalid_request_error", parameter="stream")))
        place = self.server.recogniser.find(conversation)
        self._count(place)
        kind = self.server.failure(place.item if place else None)
        answer = answer_to(conversation, place, self.server.one_by_one)
        if kind is Kind.BROKEN_ARGUMENTS:
            answer = _with_broken_arguments(answer, conversation)
        return self._deliver(write(answer, body, len(raw)), kind)

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)

    def _admitted(self) -> bool:
        if self.server.api_key is None or self.headers.get("Authorization") == f"Bearer {self.server.api_key}":
            return True
        self._deliver({}, Kind.UNAUTHORISED)
        return False

    def _count(self, place: Place | None) -> None:
        self.server.count(f"requests {place.item.category}" if place else "requests unknown")
        if place and place.twins:
            self.server.count(f"ambiguous {place.item.category}")

    def _deliver(self, body: wire.Body, kind: Kind | None) -> None:
        """Sends this body, or what `kind` puts in its place."""
        if kind is not None:
            self.server.count(f"failures {kind}")
        if kind in ERRORS:
            status, headers, error = ERRORS[kind]
            return self._send(status, wire.encode(error), headers=headers)
        if kind is Kind.HTML:
            return self._send(200, HTML_PAGE, "text/html; charset=utf-8")
        if kind is Kind.SILENCE:
            self.server.stopped.wait()
            self.close_connection = True
            return None
        if kind is Kind.RESET:
            return self._reset()
        if kind is Kind.MISSING_USAGE:
            body.pop("usage", None)
        payload = wire.encode(body)
        return self._send(200, payload[: len(payload) // 2] if kind is Kind.BROKEN_BODY else payload)

    def _send(
        self, status: int, payload: bytes, content_type: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": content_type,
            "Content-Length": str(len(payload)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def _reset(self) -> None:
        # Closing with a linger of 0 seconds sends RST instead of FIN.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        socket.close(self.connection.detach())


def answer_to(conversation: Conversation, place: Place | None, one_by_one: bool = False) -> wire.Answer:
    """The answer at this place: the turn's calls that are not behind, or content when all are.

    Where relevance is asked, and in a conversation that is no item's (a caller's own probe), any tool is called.
    """
    seed = f"{place.item.id} {place.turn} {conversation.done}" if place else f"unknown {conversation.prompt}"
    calls = place.calls if place else ()
    if conversation.functions and (place is None or place.item.category == "live_relevance"):
        calls = (any_call(conversation.functions[0]),)
    left = calls[conversation.done :][: 1 if one_by_one else None]
    written = [(call.name, json.dumps(call.named(conversation.functions), ensure_ascii=False)) for call in left]
    return wire.Answer(written, "Done." if conversation.done else NOTHING_TO_CALL, seed)


def _falls_on(failure: Failure, item: Item | None) -> bool:
    return failure.on.everything if item is None else failure.on.takes(item.id, item.category)


def _with_broken_arguments(answer: wire.Answer, conversation: Conversation) -> wire.Answer:
    """Arguments that are no JSON. Content becomes such a call too: the harness takes it for no call, and passes it."""
    calls = answer.calls or [(function["name"], '{"a": 1}') for function in conversation.functions[:1]]
    return wire.Answer([(name, arguments[:-1] + ',"') for name, arguments in calls], answer.content, answer.seed)


@contextmanager
def oracle(
    data_directory: str | Path,
    failures: Sequence[Failure] = (),
    *,
    categories: Sequence[str] = CATEGORIES,
    port: int = 0,
    api_key: str | None = None,
    models: Sequence[str] = ("oracle",),
    one_by_one: bool = False,
) -> Iterator[str]:
    """Serves the oracle from a thread; yields its base URL, `http://127.0.0.1:PORT/v1`. Port 0 takes a free one.

    `categories` limits what is known: items that look the same on the wire (base and long context) are then no riddle.
    GET {base}/statistics returns counts of requests per category, ambiguous and unknown ones, and failures shown.
    """
    recogniser = Recogniser(load_items(Path(data_directory), categories))
    server = OracleServer(port, recogniser, failures, api_key, models, one_by_one)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="bfcl-oracle", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.stop()
        thread.join()
