"""The endpoint with real Ray Serve and real vLLM, asked through the `openai` package.

The model has random weights: whatever it would like to write, what comes out must be a valid turn.
"""

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import openai
import pytest

from octupus.chat.registry import model_chat
from octupus.chat.render import render
from octupus.conversation import Conversation, Message, Tool

pytestmark = pytest.mark.timeout(600)

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "maxLength": 20},
                "days": {"type": "integer", "minimum": 1, "maximum": 9},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city"],
        },
    },
}
GET = {"type": "function", "function": {"name": "get", "parameters": {"type": "object", "properties": {}}}}
TOOLS = [WEATHER, GET]
SCHEMAS = {tool["function"]["name"]: tool["function"]["parameters"] for tool in TOOLS}
MESSAGES: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]


def ask(client: openai.OpenAI, **fields: Any) -> Any:
    values: dict[str, Any] = {"model": "octupus", "messages": MESSAGES, "max_tokens": 300, "temperature": 1.0}
    return client.chat.completions.create(**(values | fields))


def check_calls(calls: Any) -> None:
    for call in calls or ():
        jsonschema.validate(json.loads(call.function.arguments), SCHEMAS[call.function.name])


def test_models(client: openai.OpenAI, base_url: str) -> None:
    assert [model.id for model in client.models.list()] == ["octupus"]
    assert client.models.retrieve("octupus").id == "octupus"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")
    assert httpx.get(base_url.removesuffix("/v1") + "/models").json()["data"][0]["id"] == "octupus"


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize(
    "choice", ["auto", "required", {"type": "function", "function": {"name": "get_weather"}}, "none"]
)
def test_every_finished_turn_is_valid(client: openai.OpenAI, choice: Any, parallel: bool) -> None:
    def asked(seed: int) -> Any:
        return ask(client, tools=TOOLS, tool_choice=choice, parallel_tool_calls=parallel, seed=seed)

    finished = 0
    with ThreadPoolExecutor(6) as pool:
        completions = list(pool.map(asked, range(6)))
    for completion in completions:
        answer = completion.choices[0]
        calls = answer.message.tool_calls or []
        if answer.finish_reason == "length":
            assert completion.usage.completion_tokens == 300
            continue
        finished += 1
        check_calls(calls)
        assert (answer.finish_reason == "tool_calls") == bool(calls)
        if choice == "none":
            assert not calls
        elif choice != "auto":
            assert calls
            assert answer.message.content is None
        if isinstance(choice, dict):
            assert {call.function.name for call in calls} == {"get_weather"}
        if not parallel:
            assert len(calls) <= 1
    assert finished or choice in ("auto", "none")


def test_a_stream_folds_to_the_whole_answer_and_usage_is_exact(client: openai.OpenAI, model_directory: Path) -> None:
    fields: dict[str, Any] = {"tools": TOOLS, "tool_choice": "required", "seed": 11, "temperature": 0.7}
    whole = ask(client, **fields)
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}, **fields))
    calls: dict[int, list[str]] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or ():
                calls.setdefault(call.index, ["", ""])
                calls[call.index][0] += call.function.name or ""
                calls[call.index][1] += call.function.arguments or ""
    message = whole.choices[0].message
    assert [[call.function.name, call.function.arguments] for call in message.tool_calls] == list(calls.values())
    assert chunks[-1].usage == whole.usage
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert reasons == [whole.choices[0].finish_reason]

    chat = model_chat(model_directory)
    conversation = Conversation(
        messages=(Message(role="user", content=MESSAGES[0]["content"]),),
        tools=tuple(Tool.model_validate({"function": {"parameters": {}} | tool["function"]}) for tool in TOOLS),
    )
    prompt = render(conversation, chat.dialect, chat.tokenizer, generation_prompt=True).ids
    assert whole.usage.prompt_tokens == len(prompt)
    written = Conversation(
        messages=(
            Message.model_validate(
                message.model_dump(include={"role", "content"})
                | {
                    "tool_calls": [call.model_dump(include={"id", "function"}) for call in message.tool_calls],
                }
            ),
        )
    )
    rendered = render(written, chat.dialect, chat.tokenizer).ids[1:]
    # A random model may spell the same text with other tokens than the tokenizer would, never with fewer.
    assert whole.usage.completion_tokens >= len(rendered)


def test_a_call_and_its_result_can_be_sent_back(client: openai.OpenAI) -> None:
    first = ask(client, tools=TOOLS, tool_choice="required", parallel_tool_calls=False, seed=2)
    message = first.choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": '{"sky": "clear"}'}
    second = ask(client, tools=TOOLS, tool_choice="none", messages=[*MESSAGES, message, result], max_tokens=20)
    assert second.choices[0].message.content


@pytest.mark.parametrize(
    ("fields", "status", "parameter"),
    [
        ({"model": "other"}, 404, "model"),
        ({"messages": []}, 400, "messages"),
        ({"tool_choice": "sometimes", "tools": TOOLS}, 400, "tool_choice"),
        ({"messages": [{"role": "user", "content": "z " * 2000}]}, 400, "messages"),
        ({"extra_body": {"max_tokens": "many"}}, 400, "max_tokens"),
        (
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {
                            "name": "t",
                            "parameters": {
                                "type": "object",
                                "properties": {"a": {"type": "array", "uniqueItems": True}},
                            },
                        },
                    }
                ]
            },
            400,
            "tools.0.function.parameters",
        ),
    ],
)
def test_refusals_come_in_the_error_envelope(
    client: openai.OpenAI, fields: dict[str, Any], status: int, parameter: str
) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        ask(client, **fields)
    assert refused.value.status_code == status
    body: Any = refused.value.body
    assert body["param"] == parameter
    assert body["type"] == "invalid_request_error"
    assert body["message"]


def test_a_stream_is_refused_before_it_begins(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        ask(client, stream=True, messages=[])


def test_unknown_routes_and_broken_bodies_have_the_envelope(base_url: str) -> None:
    assert httpx.get(base_url + "/nowhere").json()["error"]["type"] == "invalid_request_error"
    broken = httpx.post(base_url + "/chat/completions", content=b"{bad")
    assert broken.status_code == 400
    assert broken.json()["error"]["code"] == "invalid_json"


def test_without_the_constraint_the_random_model_writes_no_valid_turn(client: openai.OpenAI) -> None:
    """The contrast that gives the tests above their meaning."""
    completion = ask(client, tools=TOOLS, extra_body={"constrained": False}, seed=1)
    calls = completion.choices[0].message.tool_calls or []
    assert completion.choices[0].finish_reason == "length" or not calls or not _all_valid(calls)


@pytest.mark.parametrize(
    ("fields", "valid"),
    [
        ({"response_format": {"type": "json_object"}}, lambda text: isinstance(json.loads(text), dict)),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"enum": [1, [True]]}}}},
            lambda text: json.loads(text) in (1, [True]),
        ),
        ({"extra_body": {"structured_outputs": {"regex": "[ab]{2}\\d+"}}}, re.compile(r"[ab]{2}\d+").fullmatch),
        ({"extra_body": {"structured_outputs": {"choice": ["yes", "no"]}}}, lambda text: text in ("yes", "no")),
    ],
)
def test_content_is_what_the_request_says(client: openai.OpenAI, fields: dict[str, Any], valid: Any) -> None:
    for seed in range(3):
        completion = ask(client, seed=seed, max_tokens=60, **fields)
        assert valid(completion.choices[0].message.content), completion
        assert completion.usage.completion_tokens <= 60


def test_allowed_tools_limit_what_is_called(client: openai.OpenAI) -> None:
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "get"}}]}
    for seed in range(4):
        completion = ask(
            client, tools=TOOLS, tool_choice={"type": "allowed_tools", "allowed_tools": allowed}, seed=seed
        )
        assert {call.function.name for call in completion.choices[0].message.tool_calls} == {"get"}


def test_a_turn_that_its_budget_closed_is_valid_and_says_so(client: openai.OpenAI) -> None:
    completion = ask(client, tools=[WEATHER], tool_choice="required", max_tokens=30, seed=1)
    check_calls(completion.choices[0].message.tool_calls)
    reasons = set()
    for seed in range(5):
        completion = ask(client, tools=[WEATHER], tool_choice="required", max_tokens=26, seed=seed)
        assert completion.usage.completion_tokens <= 26
        assert completion.choices[0].message.tool_calls
        check_calls(completion.choices[0].message.tool_calls)
        reasons.add(completion.choices[0].finish_reason)
    assert "length" in reasons


def test_what_is_checked_is_reported(client: openai.OpenAI) -> None:
    unique = {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 2},
        "minItems": 3,
        "uniqueItems": True,
    }
    tool = {
        "type": "function",
        "function": {"name": "t", "parameters": {"type": "object", "properties": {"a": unique}, "required": ["a"]}},
    }
    fields: dict[str, Any] = {"tools": [tool], "tool_choice": "required", "parallel_tool_calls": False}
    with pytest.raises(openai.BadRequestError, match="uniqueItems"):
        ask(client, **fields)
    completion = ask(client, **fields, extra_body={"on_unenforceable": "check"})
    notes = completion.model_extra["octupus"]
    assert notes["checked"][0]["json_pointer"] == "/properties/a/uniqueItems"
    assert notes["violations"], "three numbers out of two cannot differ"


def test_explanations_come_with_the_answer(client: openai.OpenAI) -> None:
    completion = ask(client, tools=[WEATHER], tool_choice="required", seed=1, extra_body={"explain": True})
    explanation = completion.model_extra["octupus"]["explanation"]
    assert len(explanation["steps"]) == completion.usage.completion_tokens
    masses = [step["removed"] for step in explanation["steps"]]
    assert all(mass is None or 0 <= mass <= 1 for mass in masses)
    assert any(masses), "a random model's taste is against the rules somewhere"


BAD_SCHEMAS: dict[str, dict[str, Any]] = {
    "recursive without an end": {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    "huge": {"type": "object", "properties": {"a": {"type": "string", "description": "x" * 2**20}}},
    "contradictory": {"type": "object", "properties": {"a": {}}, "required": ["a"], "maxProperties": 0},
    "remote": {"type": "object", "properties": {"a": {"$ref": "https://example.com/schema.json"}}},
    "catastrophic": {"type": "object", "properties": {"a": {"type": "string", "pattern": "((a{0,99}){0,99}){0,99}b"}}},
    "not an object": {"type": "array"},
}  # fmt: skip


def test_bad_tools_are_refused_while_others_are_served(base_url: str) -> None:
    """Every bad schema and name, at once with good requests: 400 with the field, and the good ones are answered."""
    deep: dict[str, Any] = {"type": "object"}
    for _ in range(1000):
        deep = {"type": "object", "properties": {"a": deep}}
    bad = [("t", schema) for schema in (*BAD_SCHEMAS.values(), deep)] + [("", {}), ("a b", {}), ("x" * 65, {})]
    good = {"model": "octupus", "messages": MESSAGES, "tools": TOOLS, "tool_choice": "required", "max_tokens": 60}

    async def post(http: httpx.AsyncClient, body: Any) -> httpx.Response:
        return await http.post(base_url + "/chat/completions", content=dump(body), timeout=120)

    async def all_at_once() -> tuple[list[httpx.Response], list[httpx.Response]]:
        async with httpx.AsyncClient() as http:
            requests = [
                good | {"tools": [{"type": "function", "function": {"name": name, "parameters": schema}}]}
                for name, schema in bad
            ]
            refused = asyncio.gather(*(post(http, body) for body in requests))
            answered = asyncio.gather(*(post(http, good | {"seed": seed}) for seed in range(4)))
            return list(await refused), list(await answered)

    refused, answered = asyncio.run(all_at_once())
    for (name, _), response in zip(bad, refused, strict=True):
        assert response.status_code == 400, (name, response.text[:300])
        error = response.json()["error"]
        assert "nested deeper" in error["message"] or error["param"].startswith("tools.0.function"), error
    for response in answered:
        assert response.status_code == 200
        assert response.json()["choices"][0]["message"]["tool_calls"]
    twice = httpx.post(base_url + "/chat/completions", json=good | {"tools": [GET, GET]})
    assert (twice.status_code, twice.json()["error"]["param"]) == (400, "tools.1.function.name")


def dump(value: Any) -> bytes:
    """JSON deeper than the standard library writes."""
    if isinstance(value, dict):
        pieces: list[bytes] = []
        opened = 0
        while isinstance(value, dict) and set(value) == {"type", "properties"} and set(value["properties"]) == {"a"}:
            pieces.append(b'{"type": "object", "properties": {"a": ')
            value, opened = value["properties"]["a"], opened + 1
        if opened:
            return b"".join(pieces) + dump(value) + b"}}" * opened
        return b"{" + b", ".join(json.dumps(key).encode() + b": " + dump(item) for key, item in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b", ".join(map(dump, value)) + b"]"
    return json.dumps(value).encode()


def _all_valid(calls: Any) -> bool:
    try:
        check_calls(calls)
    except (KeyError, ValueError, jsonschema.ValidationError):
        return False
    return True
