"""Routes, models, errors and request ids: what an `openai` client meets besides answers."""

import asyncio
import json
import time
import uuid
from typing import Any

import httpx
import openai
import pytest

from .asking import MESSAGES, MODEL, TOOLS

pytestmark = pytest.mark.timeout(600)

CHAT = {"model": MODEL, "messages": MESSAGES, "max_tokens": 4, "seed": 1}
POSTS: dict[str, dict[str, Any]] = {
    "/chat/completions": CHAT,
    "/responses": {"model": MODEL, "input": "Hello", "max_output_tokens": 4},
    "/completions": {"model": MODEL, "prompt": "Hello", "max_tokens": 4},
    "/tokenize": {"prompt": "Hello"},
    "/tools:check": {"tools": TOOLS},
}
GETS = ("/models", f"/models/{MODEL}", "/health", "/metrics")


def chat(client: openai.OpenAI, **fields: Any) -> Any:
    return client.chat.completions.create(**CHAT | fields)


@pytest.mark.parametrize("path", [*POSTS, *GETS, "/openapi.json"])
@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_every_route_answers_with_and_without_v1(base_url: str, prefix: str, path: str) -> None:
    root = base_url.removesuffix("/v1")
    if path == "/openapi.json":
        prefix = ""
    with httpx.Client(timeout=60) as http:
        answer = http.post(root + prefix + path, json=POSTS[path]) if path in POSTS else http.get(root + prefix + path)
    assert answer.status_code == 200, answer.text
    assert len(answer.headers.get_list("x-request-id")) == 1


def test_models_are_listed_and_found(client: openai.OpenAI, async_client: openai.AsyncOpenAI) -> None:
    [model] = client.models.list().data
    assert (model.id, model.object) == (MODEL, "model")
    assert client.models.retrieve(MODEL) == model

    async def listed() -> list[Any]:
        async with async_client:
            return [found async for found in async_client.models.list()]

    assert asyncio.run(listed()) == [model]
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("other")
    assert (refused.value.param, refused.value.code) == ("model", "model_not_found")


def test_a_request_id_comes_back_once(client: openai.OpenAI) -> None:
    asked = uuid.uuid4().hex
    answer = client.chat.completions.with_raw_response.create(**CHAT, extra_headers={"x-request-id": asked})  # type: ignore[call-overload]
    assert answer.headers.get_list("x-request-id") == [asked]
    assert answer.request_id == asked
    assert answer.parse()._request_id == asked
    stream = client.chat.completions.with_raw_response.create(**CHAT, stream=True)  # type: ignore[call-overload]
    made = stream.headers.get_list("x-request-id")
    assert len(made) == 1
    assert made != [asked]
    assert list(stream.parse())[-1].choices[0].finish_reason
    with pytest.raises(openai.BadRequestError) as refused:
        chat(client, messages=[], extra_headers={"x-request-id": asked})
    assert refused.value.request_id == asked


def test_streams_are_not_held_back_on_the_way(client: openai.OpenAI) -> None:
    with client.chat.completions.with_streaming_response.create(**CHAT, stream=True) as answer:  # type: ignore[call-overload]
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-cache"
        assert list(answer.iter_lines())[-2:] == ["data: [DONE]", ""]


LONG = {"role": "user", "content": "z " * 3000}
BAD_TOOL = {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}
REFUSED: dict[str, tuple[dict[str, Any], int, str | None, str | None]] = {
    "model": ({"model": "other"}, 404, "model", "model_not_found"),
    "no messages": ({"messages": []}, 400, "messages", None),
    "role": ({"messages": [{"role": "robot", "content": "a"}]}, 400, "messages.0.role", None),
    "content": ({"messages": [{"role": "user", "content": 1}]}, 400, "messages.0.content", None),
    "image": ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "messages.0.content.0", None),
    "call": (
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]},
        400,
        "messages.0.tool_calls",
        None,
    ),
    "long prompt": (
        {"messages": [{"role": "user", "content": "z " * 3000}]},
        400,
        "messages",
        "context_length_exceeded",
    ),
    "type": ({"extra_body": {"max_tokens": "many"}}, 400, "max_tokens", None),
    "range": ({"temperature": 3}, 400, "temperature", None),
    "too many": ({"n": 1000}, 400, "n", None),
    "stop": ({"stop": [""]}, 400, "stop", None),
    "stop and format": ({"stop": "a", "response_format": {"type": "json_object"}}, 400, "stop", "unsupported_value"),
    "scores": ({"top_logprobs": 2}, 400, "top_logprobs", None),
    "bias": ({"logit_bias": {"999999": 1}}, 400, "logit_bias", None),
    "metadata": ({"metadata": {"a": 1}}, 400, "metadata", None),
    "effort": ({"reasoning_effort": "endless"}, 400, "reasoning_effort", None),
    "tool choice": ({"tools": TOOLS, "tool_choice": "sometimes"}, 400, "tool_choice", None),
    "required without tools": ({"tool_choice": "required"}, 400, "tool_choice", None),
    "unknown tool": (
        {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "other"}}},
        400,
        "tool_choice",
        None,
    ),
    "tool type": ({"tools": [{"type": "web_search"}]}, 400, "tools.0", None),
    "tool name": ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, 400, "tools.0.function.name", None),
    "tool twice": ({"tools": [*TOOLS, *TOOLS]}, 400, "tools.2.function.name", None),
    "too many tools": ({"tools": TOOLS * 100}, 400, "tools", None),
    "schema": (
        {"tools": [{"type": "function", "function": {"name": "t", "parameters": BAD_TOOL}}]},
        400,
        "tools.0.function.parameters",
        "invalid_function_parameters",
    ),
    "format": ({"response_format": {"type": "xml"}}, 400, "response_format.type", None),
    "format's schema": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": BAD_TOOL}}},
        400,
        "response_format.json_schema.schema",
        "invalid_schema",
    ),
    "old tools": ({"functions": [{"name": "f"}]}, 400, "functions", "unsupported_value"),
    "small budget": ({"tools": TOOLS, "tool_choice": "required", "max_tokens": 2}, 400, "max_tokens", None),
}
ERRORS = {400: openai.BadRequestError, 404: openai.NotFoundError}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_openais_class_field_and_code(client: openai.OpenAI, name: str, stream: bool) -> None:
    fields, status, parameter, code = REFUSED[name]
    with pytest.raises(ERRORS[status]) as refused:
        chat(client, stream=stream, **fields)
    error = refused.value
    assert error.status_code == status
    assert error.type == "invalid_request_error"
    assert error.code == code
    assert (error.param or "").startswith(parameter or "")
    assert error.message


def test_a_body_above_the_limit_is_refused(base_url: str, client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        chat(client, messages=[{"role": "user", "content": "z" * (9 * 2**20)}])
    assert (refused.value.status_code, refused.value.code) == (413, "request_too_large")
    assert httpx.get(f"{base_url}/health").status_code == 200


def test_what_is_no_json_and_what_is_no_route_has_the_envelope(base_url: str) -> None:
    with httpx.Client(base_url=base_url) as http:
        for body in (b"", b"{bad", b"[]", b"null", b'{"a": NaN}', b"\xff\xfe", b'{"model": "\\ud800"}', b"[" * 100_000):
            answer = http.post("/chat/completions", content=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json"), body[:20]
        for method, path, status in (
            ("GET", "/nowhere", 404),
            ("GET", "/chat/completions", 405),
            ("PUT", "/models", 405),
        ):
            answer = http.request(method, path)
            assert answer.status_code == status
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_tokenize_counts_what_the_model_is_given(base_url: str, client: openai.OpenAI) -> None:
    with httpx.Client(base_url=base_url) as http:
        text = http.post("/tokenize", json={"prompt": "What is the 北京", "return_token_strs": True}).json()
        assert text["count"] == len(text["tokens"]) == len(text["token_strs"])
        bare = http.post("/tokenize", json={"messages": MESSAGES}).json()
        full = http.post("/tokenize", json={"messages": MESSAGES, "tools": TOOLS, "model": MODEL}).json()
        open_turn = http.post("/tokenize", json={"messages": MESSAGES, "add_generation_prompt": False}).json()
        assert open_turn["count"] < bare["count"] < full["count"]
        assert chat(client).usage.prompt_tokens == bare["count"]
        for body in ({}, {"prompt": "a", "messages": MESSAGES}):
            assert http.post("/tokenize", json=body).json()["error"]["param"] == "prompt"


def test_tools_are_checked_keyword_by_keyword(base_url: str) -> None:
    bad = {"type": "function", "function": {"name": "t", "parameters": BAD_TOOL}}
    answer = httpx.post(f"{base_url}/tools:check", json={"tools": [*TOOLS, bad]}).json()
    assert [tool["admitted"] for tool in answer["tools"]] == [True, True, False]
    assert answer["admitted"] is False
    [refused] = [keyword for keyword in answer["tools"][2]["keywords"] if keyword["verdict"] == "refused"]
    assert refused["keyword"] == "uniqueItems"
    checked = httpx.post(f"{base_url}/tools:check", json={"tools": [bad], "on_unenforceable": "check"}).json()
    assert (checked["admitted"], checked["tools"][0]["verdict"]) == (True, "checked")


def test_metrics_tell_of_requests(base_url: str, client: openai.OpenAI) -> None:
    chat(client)
    wanted = {"octupus_requests_total", "octupus_ttft_seconds", "octupus_completion_tokens_total"}
    deadline = time.monotonic() + 60  # Ray exports what its workers count every 10 seconds
    while True:
        text = httpx.get(f"{base_url}/metrics", timeout=30).text
        missing = {name for name in wanted if f"ray_{name}" not in text}
        if not missing:
            break
        assert time.monotonic() < deadline, f"{missing} not in {text[:2000]}"
        time.sleep(1)
    broken = [line for line in text.splitlines() if "octupus_invalid_tool_calls_total{" in line]
    assert all(float(line.rpartition(" ")[2]) == 0 for line in broken)


def test_unknown_fields_are_ignored(client: openai.OpenAI) -> None:
    extra = {"service_tier": "auto", "prediction": None, "verbosity": "low", "never_heard_of": {"a": [1]}}
    plain = chat(client).choices[0].message.content
    assert chat(client, extra_body=extra).choices[0].message.content == plain


def test_an_answer_holds_only_what_openai_documents(base_url: str) -> None:
    answer = httpx.post(f"{base_url}/chat/completions", json=CHAT)
    body = json.loads(answer.content)
    assert {"id", "object", "created", "model", "choices", "usage"} == set(body)
    assert {"index", "message", "finish_reason", "logprobs"} >= set(body["choices"][0])
