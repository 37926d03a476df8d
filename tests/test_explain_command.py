"""`octupus explain` against an HTTP server that answers as octupus's endpoint does, or as others do."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from octupus.cli import main
from octupus.decoding.explain import Explanation, PhaseRun, PreferredToken, Step

REQUEST = {
    "model": "m",
    "messages": [{"role": "user", "content": "weather?"}],
    "tools": [{"type": "function", "function": {"name": "get"}}],
    "max_tokens": 9,
    "stream": True,
    "stream_options": {"include_usage": True},
    "on_unenforceable": "check",
}
EXPLANATION = Explanation(
    steps=(
        Step(7, "<|FUNCTION_CALL|>", "start", 2, False, False, 0.25, 0.1, (PreferredToken(3, "[bold]\x1b[2J", 0.25),)),
        Step(8, "get", "name", 1, True, True, 0.0, 0.0),
    ),
    phases=(PhaseRun("start", 1), PhaseRun("name", 1), PhaseRun("done", 0)),
    forced_share=0.5,
    removed_mean=0.125,
    removed_max=0.25,
    most_removed=(0,),
    hurried_from=1,
    refused_at=None,
)


@dataclass
class Endpoint:
    """What a server was asked, and what it answers."""

    url: str = ""
    status: int = 200
    notes: dict[str, Any] = field(default_factory=lambda: {"octupus": {"explanation": EXPLANATION.to_json()}})
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def answer(self) -> dict[str, Any]:
        if self.status != 200:
            return {"error": {"message": "tools.0: refused", "type": "invalid_request_error"}}
        message = {"role": "assistant", "content": "x"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], **self.notes}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    state = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            state.keys.append(self.headers["authorization"])
            body = json.dumps(state.answer()).encode()
            self.send_response(state.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def request_file(tmp_path: Path) -> str:
    file = tmp_path / "request.json"
    file.write_text(json.dumps(REQUEST))
    return str(file)


def test_the_explanation_is_shown(
    endpoint: Endpoint, request_file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["explain", request_file, "--url", endpoint.url]) == 0
    shown = capsys.readouterr().out
    assert "start 1 > name 1 > done\n" in shown
    assert "50% of 2 tokens" in shown
    assert "forced hurried" in shown
    assert "at least 25.0%" in shown
    assert "from step 1 on" in shown
    assert "[bold]\\x1b[2J" in shown, "markup stays text"
    assert "\x1b" not in shown, "no colour and no escape of the model's outside a terminal"
    sent = endpoint.bodies[0]
    assert sent.pop("explain") is True
    assert sent.pop("stream") is False
    assert sent == {name: value for name, value in REQUEST.items() if not name.startswith("stream")}
    assert endpoint.keys == ["Bearer from-the-environment"]


def test_the_explanation_as_json(endpoint: Endpoint, request_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", request_file, "--url", endpoint.url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(EXPLANATION.to_json()))


def test_what_the_endpoint_says_is_passed_on(
    endpoint: Endpoint, request_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.status = 400
    assert main(["explain", request_file, "--url", endpoint.url]) == 2
    assert "tools.0: refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("notes", "message"),
    [({}, "holds no explanation"), ({"octupus": {"explanation": {"steps": 3}}}, "another form")],
)
def test_an_endpoint_without_explanations(
    notes: dict[str, Any], message: str, endpoint: Endpoint, request_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.notes = notes
    assert main(["explain", request_file, "--url", endpoint.url]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_no_endpoint_is_one_line(endpoint: Endpoint, request_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = "http://127.0.0.1:1/v1"
    assert main(["explain", request_file, "--url", nowhere]) == 2
    error = capsys.readouterr().err
    assert nowhere in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("text", "message"), [("{", "not valid JSON"), ("[]", "model and messages"), (None, "exist")])
def test_a_file_that_holds_no_request(
    text: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "request.json"
    if text is not None:
        file.write_text(text)
    assert main(["explain", str(file)]) == 2
    assert message in capsys.readouterr().err
