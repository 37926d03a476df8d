import asyncio
import json
import socket
from typing import Any

import pytest

from octupus.errors import ConfigError
from octupus.evaluate.calls.config import EndpointConfig
from octupus.evaluate.calls.endpoint import Endpoint, EndpointError
from octupus.evaluate.scoring import Reply

from .answering_server import answering_server, completion

KEY = "TESTED_ENDPOINT_KEY"


async def checked(config: EndpointConfig) -> None:
    async with Endpoint(config) as endpoint:
        await endpoint.check()


async def asked(config: EndpointConfig, tools: list[dict[str, Any]] | None = None) -> Reply:
    async with Endpoint(config) as endpoint:
        return await endpoint.ask([{"role": "user", "content": "Hello."}], tools or [])


def refusal(base_url: str, **settings: Any) -> str:
    with pytest.raises(EndpointError) as raised:
        asyncio.run(checked(EndpointConfig(base_url=base_url, **{"model": "small", **settings})))
    return str(raised.value)


def test_an_endpoint_that_is_down_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and listens to nobody
        base_url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        message = refusal(base_url)
    assert base_url in message
    assert "cannot be reached" in message


@pytest.mark.parametrize("status", [401, 403])
def test_an_endpoint_that_needs_a_key_says_which_variable(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering_server() as server:
        server.models = (status, json.dumps({"error": {"message": "no key"}}))
        assert "endpoint.api_key_variable" in refusal(server.base_url)
        monkeypatch.setenv(KEY, "secret")
        message = refusal(server.base_url, api_key_variable=KEY)
        assert KEY in message
        assert "secret" not in message


def test_a_key_that_is_not_set_is_found_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)
    with answering_server() as server, pytest.raises(ConfigError, match=KEY):
        Endpoint(EndpointConfig(base_url=server.base_url, model="small", api_key_variable=KEY))
    assert server.authorization == []


def test_the_key_is_sent_and_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "secret")

    with answering_server(lambda request: (400, json.dumps({"error": {"message": "refused secret"}}))) as server:
        config = EndpointConfig(base_url=server.base_url, model="small", api_key_variable=KEY)
        asyncio.run(checked(config))
        reply = asyncio.run(asked(config))
    assert server.authorization == ["Bearer secret"]
    assert reply.error is not None
    assert reply.error.startswith("status_400: ")
    assert "secret" not in reply.error


@pytest.mark.parametrize(
    "models",
    [
        (200, "<html><body>Welcome</body></html>"),
        (200, '{"models": []}'),
        (200, '[{"id": "small"}]'),
        (200, '{"data": ["small"]}'),
        (200, ""),
        (404, "<html>not found</html>"),
        (500, '{"error": "broken"}'),
    ],
)
def test_what_is_no_openai_endpoint_is_refused(models: tuple[int, str]) -> None:
    with answering_server() as server:
        server.models = models
        message = refusal(server.base_url)
    assert server.base_url in message
    assert "endpoint.base_url" in message


def test_an_unknown_model_is_refused_with_those_that_are_served() -> None:
    with answering_server() as server:
        assert "it serves: small, large" in refusal(server.base_url, model="huge")
        asyncio.run(checked(EndpointConfig(base_url=server.base_url, model="large")))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((500, '{"error": {"message": "broken"}}'), "status_500"),
        ((429, '{"error": {"message": "later"}}'), "status_429"),
        ((400, '{"error": {"message": "no"}}'), "status_400"),
        ((200, "<html>Welcome</html>"), "malformed_answer"),
        ((200, "{broken"), "malformed_answer"),
        ((200, "{}"), "malformed_answer"),
        ((200, '{"choices": []}'), "malformed_answer"),
        ((200, '{"choices": [{"message": null}]}'), "malformed_answer"),
        ((200, '{"choices": [{"message": {"tool_calls": [{"type": "custom"}]}}]}'), "malformed_answer"),
        ((200, '{"choices": [{"message": {"tool_calls": [{"function": {"name": "f"}}]}}]}'), "malformed_answer"),
        ((200, '{"choices": [{"message": {"tool_calls": 3, "content": "x"}}]}'), "malformed_answer"),
        ((200, completion(Reply(content=" "))), "empty_answer"),
        ((200, completion(Reply())), "empty_answer"),
    ],
)
def test_what_is_no_answer_is_an_error_of_a_known_reason(answer: tuple[int, str], reason: str) -> None:
    with answering_server(lambda request: answer) as server:
        reply = asyncio.run(asked(EndpointConfig(base_url=server.base_url, model="small", max_retries=0)))
    assert reply.error is not None
    assert reply.error.partition(":")[0] == reason
    assert reply.calls == ()


def test_a_broken_connection_and_silence_are_errors() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        base_url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        config = EndpointConfig(base_url=base_url, model="small", max_retries=0, timeout_s=0.2)
        reply = asyncio.run(asked(config))
    assert reply.error is not None
    assert reply.error.startswith("timeout: ")


def test_a_failure_that_passes_is_tried_again() -> None:
    with answering_server() as server:
        server.answer = lambda request: (503, "{}") if len(server.requests) < 2 else Reply(content="Hello.")
        config = EndpointConfig(base_url=server.base_url, model="small", max_retries=1)
        assert asyncio.run(asked(config)).content == "Hello."
    assert len(server.requests) == 2


def test_what_is_sent_and_what_is_read() -> None:
    calls = (("weather", '{"city": "Rome"}'), ("weather", "{broken"))
    with answering_server(lambda request: Reply(calls=calls)) as server:
        config = EndpointConfig(
            base_url=server.base_url, model="small", max_tokens=None, extra_body={"constrained": True}
        )
        tool = {"type": "function", "function": {"name": "weather", "parameters": {}}}
        reply = asyncio.run(asked(config, [tool]))
        asyncio.run(asked(config))
    assert reply == Reply(calls=calls)
    message = {"role": "user", "content": "Hello."}
    common = {"model": "small", "messages": [message], "temperature": 0, "constrained": True}
    assert server.requests == [{**common, "tools": [tool]}, common]


@pytest.mark.parametrize("base_url", ["127.0.0.1:8000/v1", "ftp://host/v1", "http://name:password@host/v1", ""])
def test_an_address_that_is_none_is_refused(base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        EndpointConfig(base_url=base_url, model="small")
