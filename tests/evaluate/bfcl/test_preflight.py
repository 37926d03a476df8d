"""What is said of an endpoint that cannot be measured, before anything is written."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from octupus.errors import EvaluationError
from octupus.evaluate.bfcl.config import EndpointConfig, EvaluateBfclConfig
from octupus.evaluate.bfcl.preflight import check_endpoint
from octupus.evaluate.bfcl.run import evaluate_bfcl

MODELS = {"object": "list", "data": [{"id": "m", "dialect": "octupus"}]}
CHAT = {"choices": [{"message": {"content": "hi"}}], "usage": {"prompt_tokens": 1}}
ERROR = {"error": {"message": "tools are not supported"}}
Answers = dict[str, tuple[int, Any]]


@pytest.fixture
def served() -> Iterator[Callable[[Answers], str]]:
    """A server with one fixed answer for each path; what it is given comes back as its base URL."""
    servers: list[ThreadingHTTPServer] = []

    def serve(answers: Answers) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                status, value = answers.get(self.path.removeprefix("/v1"), (404, "nothing here"))
                key = self.headers.get("authorization")
                if status == 401 and key == "Bearer right":
                    status, value = 200, MODELS
                body = value if isinstance(value, str) else json.dumps(value)
                self.send_response(status)
                self.send_header("content-type", "text/html" if isinstance(value, str) else "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def check(base_url: str, api: str = "chat", **config: Any) -> Any:
    values = {"base_url": base_url, "timeout_s": 5, "api_key_variable": "OCTUPUS_TEST_KEY"} | config
    return check_endpoint(EndpointConfig.model_validate(values), api, constrained=True)


def test_the_only_model_is_taken_with_what_is_said_of_it(served: Callable[[Answers], str]) -> None:
    url = served({"/models": (200, MODELS), "/chat/completions": (200, CHAT)})
    endpoint = check(url + "/")
    assert (endpoint.base_url, endpoint.model, endpoint.card["dialect"]) == (url, "m", "octupus")
    # Some gateways list no models.
    assert check(served({"/chat/completions": (200, CHAT)}), model="any").card == {}


@pytest.mark.parametrize(
    ("answers", "config", "message"),
    [
        ({"/models": (200, "<html>hello</html>")}, {}, "answers text/html in place of JSON"),
        ({"/models": (200, {"models": []})}, {}, "lists no models as OpenAI's API does"),
        ({"/models": (200, {"data": [{"id": "a"}, {"id": "b"}]})}, {}, r"lists 2 models \(a, b\); name one"),
        ({"/models": (200, MODELS)}, {"model": "n"}, "has no model 'n'; it lists m"),
        ({"/models": (401, ERROR)}, {}, "wants an API key.*OCTUPUS_TEST_KEY is not set"),
        ({"/models": (200, MODELS)}, {}, "does not know /chat/completions"),
        ({"/models": (200, MODELS), "/chat/completions": (400, ERROR)}, {}, r"refuses .* tools are not supported"),
        ({"/models": (200, MODELS), "/chat/completions": (200, {"text": ""})}, {}, "answers without `choices`"),
        ({"/models": (200, MODELS), "/chat/completions": (200, {"choices": []})}, {}, "answers without `usage`"),
    ],
)
def test_trouble_is_said_in_a_line(
    served: Callable[[Answers], str], answers: Answers, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        check(served(answers), **config)


def test_a_key_comes_from_the_variable_alone(served: Callable[[Answers], str], monkeypatch: pytest.MonkeyPatch) -> None:
    url = served({"/models": (401, ERROR), "/responses": (200, {"output": [], "usage": {"input_tokens": 1}})})
    monkeypatch.setenv("OCTUPUS_TEST_KEY", "wrong")
    with pytest.raises(EvaluationError, match="OCTUPUS_TEST_KEY is refused") as refused:
        check(url, "responses")
    assert "wrong" not in str(refused.value)
    monkeypatch.setenv("OCTUPUS_TEST_KEY", "right")
    assert check(url, "responses").model == "m"


def test_nothing_is_written_where_nothing_answers(tmp_path: Path) -> None:
    output = tmp_path / "run"
    config = EvaluateBfclConfig(
        output=output,
        endpoint=EndpointConfig(base_url="http://127.0.0.1:9/v1", timeout_s=5),
        environment=tmp_path / "environment",
    )
    with pytest.raises(EvaluationError, match=r"nothing answers at http://127\.0\.0\.1:9/v1/models"):
        evaluate_bfcl(config)
    assert list(tmp_path.iterdir()) == []
