"""The routes over replicas that draw any token the constraint allows: answers, errors and records, and no engine."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from octupus.chat.octupus import OCTUPUS
from octupus.chat.registry import ModelChat
from octupus.chat.tokenizer import ChatTokenizer
from octupus.decoding.turn_factory import TurnFactory
from octupus.decoding.vocabulary import TokenVocabulary
from octupus.errors import EngineError
from octupus.serve.config import ServeConfig
from octupus.serve.engine.sampling import Generated
from octupus.serve.ingress.api import build_api
from octupus.serve.ingress.edge import Edge, EdgeMiddleware
from octupus.serve.ingress.generation import Job
from octupus.serve.ingress.record import RequestRecord
from octupus.serve.ingress.service import Service

from ...decoding.turns import write

WEATHER = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 9}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}]
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 60}
RESPONSE = {"model": "m", "input": "hi", "max_output_tokens": 60}


class DrawingReplicas:
    """Draws tokens that the turn allows, seeded by the request; `trouble` is met after a few of them."""

    def __init__(self, tokenizer: ChatTokenizer) -> None:
        self._factory = TurnFactory(TokenVocabulary(tokenizer), OCTUPUS.layout(tokenizer))
        self._tokenizer = tokenizer
        self.trouble: Callable[[], Any] | None = None

    async def generate(self, job: Job, generated: Sequence[int]) -> AsyncGenerator[Generated]:
        ids = self._written(job)
        for position, token in enumerate(ids):
            if position == 2 and self.trouble is not None:
                await self.trouble()
            await asyncio.sleep(0)
            last = position == len(ids) - 1
            reason = ("stop" if token == self._tokenizer.end_id else "length") if last else None
            scores = None if job.sampling.logprobs is None else [[(token, -1.0)]]
            yield Generated([token], reason, scores, 1 if not position else None)

    async def scores(self, job: Job, generated: Sequence[int], count: int) -> list[dict[int, float]]:
        return [{token: -1.0} for token in generated]

    def _written(self, job: Job) -> list[int]:
        randomness = random.Random(job.sampling.seed)
        if job.spec is None:
            return [randomness.randrange(100, 300) for _ in range(job.sampling.max_tokens)]
        turn = self._factory.turn(job.spec)
        return write(turn, self._factory, randomness, job.sampling.max_tokens)


@pytest.fixture
def replicas(tokenizer: ChatTokenizer) -> DrawingReplicas:
    return DrawingReplicas(tokenizer)


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[RequestRecord]:
    """Every record that the access log is given."""
    kept: list[RequestRecord] = []
    monkeypatch.setattr("octupus.serve.ingress.access_log.AccessLog.write", lambda self, record: kept.append(record))
    monkeypatch.setattr("octupus.serve.ingress.metrics.Metrics.ended", lambda self, record: None)
    monkeypatch.setattr("octupus.serve.ingress.metrics.Metrics.active", lambda self, count: None)
    return kept


@pytest.fixture
def ask(
    tokenizer: ChatTokenizer, replicas: DrawingReplicas, records: list[RequestRecord], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., httpx.Response]:
    """Send one request to an application of its own."""

    def send(
        method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **config: Any
    ) -> httpx.Response:
        values = ServeConfig.model_validate({"model": {"source": Path("unused"), "id": "m"}} | config)
        service = Service(values, ModelChat(OCTUPUS, tokenizer), replicas, max_model_len=400)

        async def scrape() -> str:
            return "octupus_requests_total 1\n"

        api = build_api(service, scrape, values.access.page)
        edge = Edge.from_config(values, {}, served_by_ray=False)
        api.add_middleware(EdgeMiddleware, edge=lambda: edge)

        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(api, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, json=body, headers=headers)

        return asyncio.run(request())

    return send


def events(response: httpx.Response) -> list[Any]:
    assert response.headers["content-type"].startswith("text/event-stream")
    data = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return [item if item == "[DONE]" else json.loads(item) for item in data]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions"])
def test_calls_are_valid_streamed_and_whole_and_counted(
    ask: Callable[..., httpx.Response], records: list[RequestRecord], path: str
) -> None:
    body = CHAT | {"tools": TOOLS, "tool_choice": "required", "seed": 4, "n": 2}
    whole = ask("POST", path, body).json()
    streamed = events(ask("POST", path, body | {"stream": True, "stream_options": {"include_usage": True}}))
    assert streamed.pop() == "[DONE]"
    usage = streamed.pop()["usage"]
    for choice in whole["choices"]:
        calls = choice["message"]["tool_calls"]
        for call in calls:
            jsonschema.validate(json.loads(call["function"]["arguments"]), WEATHER)
        pieces = [
            call["function"].get("arguments") or ""
            for chunk in streamed
            for part in chunk["choices"]
            if part["index"] == choice["index"]
            for call in part["delta"].get("tool_calls") or ()
        ]
        assert "".join(pieces) == "".join(call["function"]["arguments"] for call in calls)
    assert usage == whole["usage"]
    for record in records:
        assert (record.completion_tokens, record.prompt_tokens) == (usage["completion_tokens"], usage["prompt_tokens"])
        assert (record.outcome, record.status, record.choices, record.invalid_calls) == ("answered", 200, 2, 0)
        assert record.calls == sum(len(choice["message"]["tool_calls"]) for choice in whole["choices"])


@pytest.mark.parametrize(("path", "body"), [("/v1/chat/completions", CHAT), ("/v1/responses", RESPONSE)])
def test_the_constraint_is_switched_off_by_a_header_too(
    ask: Callable[..., httpx.Response], path: str, body: dict[str, Any]
) -> None:
    allowed = {"decoding": {"allow_unconstrained": True}}
    # Only a constrained request can be refused for what explain needs: so the answer tells which one it was.
    off = ask("POST", path, body | {"explain": True}, {"x-octupus-constrained": "false"}, **allowed)
    assert (off.status_code, off.json()["error"]["param"]) == (400, "explain")
    assert ask("POST", path, body, {"x-octupus-constrained": "true"}).status_code == 200
    assert ask("POST", path, body, {"x-octupus-constrained": "false"}).json()["error"]["param"] == "constrained"
    assert ask("POST", path, body, {"x-octupus-constrained": "no"}).json()["error"]["param"] == "x-octupus-constrained"


async def fails() -> None:
    raise EngineError("the engine broke")


async def hangs() -> None:
    await asyncio.sleep(3600)


@pytest.mark.parametrize(("path", "body"), [("/v1/chat/completions", CHAT), ("/v1/responses", RESPONSE)])
@pytest.mark.parametrize(
    ("trouble", "config", "status", "outcome"),
    [(fails, {}, 500, "failed"), (hangs, {"limits": {"request_timeout_s": 1.5}}, 408, "timed_out")],
)
def test_trouble_in_an_answer_is_never_a_clean_end(
    ask: Callable[..., httpx.Response],
    replicas: DrawingReplicas,
    records: list[RequestRecord],
    path: str,
    body: dict[str, Any],
    trouble: Callable[[], Any],
    config: dict[str, Any],
    status: int,
    outcome: str,
) -> None:
    replicas.trouble = trouble
    constrained = body | {"seed": 1}
    whole = ask("POST", path, constrained, **config)
    assert whole.status_code == status
    assert set(whole.json()["error"]) == {"message", "type", "param", "code"}
    streamed = events(ask("POST", path, constrained | {"stream": True}, **config))
    assert "[DONE]" not in streamed
    if path.endswith("responses"):
        assert [event["type"] for event in streamed[-2:]] == ["error", "response.failed"]
    else:
        assert streamed[-1]["error"]["type"] == "server_error"
        assert not any(part["finish_reason"] for chunk in streamed[:-1] for part in chunk["choices"])
    assert [record.outcome for record in records] == [outcome, outcome]


def test_the_page_can_be_left_out(ask: Callable[..., httpx.Response]) -> None:
    assert ask("GET", "/").headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in ask("GET", "/page/page.js").headers["content-security-policy"]
    assert ask("GET", "/", access={"page": False}).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nowhere", 404),
        ("GET", "/v1/chat/completions", 405),
        ("GET", "/v1/models/other", 404),
        ("POST", "/v1/chat/completions", 400),
        ("POST", "/v1/responses", 400),
        ("POST", "/v1/tools:check", 400),
    ],
)
def test_every_error_is_in_the_envelope(
    ask: Callable[..., httpx.Response], method: str, path: str, status: int
) -> None:
    response = ask(method, path)
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_what_may_be_asked_besides_answers(ask: Callable[..., httpx.Response], tokenizer: ChatTokenizer) -> None:
    assert ask("GET", "/v1/health").json() == {"status": "ok"}
    assert "octupus_requests_total" in ask("GET", "/metrics").text
    assert [model["id"] for model in ask("GET", "/models").json()["data"]] == ["m"]
    assert ask("POST", "/tokenize", {"prompt": "hi"}).json()["tokens"] == tokenizer.encode("hi")
    spelled = ask("POST", "/tokenize", {"messages": CHAT["messages"], "return_token_strs": True}).json()
    assert spelled["token_strs"][-1] == "<|ASSISTANT|>"
    unenforceable = {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}
    tools = [*TOOLS, {"type": "function", "function": {"name": "t", "parameters": unenforceable}}]
    refused, checked = (
        ask("POST", "/v1/tools:check", {"tools": tools, "on_unenforceable": choice}).json()
        for choice in ("refuse", "check")
    )
    assert [tool["verdict"] for tool in refused["tools"]] == ["enforced", "refused"]
    assert [tool["verdict"] for tool in checked["tools"]] == ["enforced", "checked"]
    assert (refused["admitted"], checked["admitted"]) == (False, True)
    assert "/properties/a/uniqueItems" in [item["json_pointer"] for item in refused["tools"][1]["keywords"]]


def test_the_document_describes_every_body(ask: Callable[..., httpx.Response]) -> None:
    document = ask("GET", "/openapi.json").json()
    for path, operations in document["paths"].items():
        if "post" in operations:
            schema = operations["post"]["requestBody"]["content"]["application/json"]["schema"]
            assert schema["$ref"].rpartition("/")[2] in document["components"]["schemas"], path


def test_texts_are_recorded_only_when_asked_for(
    ask: Callable[..., httpx.Response], records: list[RequestRecord]
) -> None:
    ask("POST", "/v1/chat/completions", CHAT | {"seed": 1})
    ask("POST", "/v1/chat/completions", CHAT | {"seed": 1}, observability={"log_prompts": True})
    assert records[0].texts is None
    assert records[1].texts is not None
    assert records[1].texts["messages"][0]["content"] == "hi"
    assert records[1].texts["answers"][0]["role"] == "assistant"
