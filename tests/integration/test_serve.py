"""The endpoint with real Ray Serve and real vLLM, asked through the `openai` package.

The model has random weights: whatever it would like to write, what comes out must be a valid turn.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import openai
import pytest

from octupus.chat.octupus import OCTUPUS
from octupus.chat.parse import fold
from octupus.chat.registry import model_chat
from octupus.chat.render import render
from octupus.conversation import Conversation, Message, Tool
from octupus.decoding.turn import TurnSpec

from ..conftest import write_tokenizer

pytestmark = pytest.mark.timeout(600)

PORT = 8473
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


@pytest.fixture(scope="module")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2 of random weights whose embedding matrix is padded beyond its tokenizer, as Qwen2.5's is."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    directory = write_tokenizer(tmp_path_factory.mktemp("model"))
    tokenizer = model_chat(directory).tokenizer
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer) + 27,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.end_id,
    )
    Qwen2ForCausalLM(config).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def base_url(model_directory: Path, private_ray: None) -> Iterator[str]:
    from octupus.quickstart.serving import endpoint

    with endpoint(model_directory, "octupus", PORT) as url:
        yield url


@pytest.fixture(scope="module")
def client(base_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=base_url, api_key="unused", max_retries=0)


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
    finished = 0
    for seed in range(6):
        completion = ask(client, tools=TOOLS, tool_choice=choice, parallel_tool_calls=parallel, seed=seed)
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


@pytest.mark.parametrize("backend", ["llguidance", "lm-format-enforcer"])
def test_both_backends_work_in_one_engine(base_url: str, model_directory: Path, backend: str) -> None:
    from ray import serve

    from octupus.serve.engine import Sampling

    chat = model_chat(model_directory)
    handle = serve.get_deployment_handle("EngineReplica", "octupus").options(method_name="generate", stream=True)
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 8}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    }
    spec = TurnSpec({"get_weather": schema}, tool_choice="required", parallel=False, backend=backend)
    for seed in range(3):
        ids: list[int] = []
        finished_by = None
        for piece, reason in handle.remote([chat.tokenizer.end_id], Sampling(max_tokens=200, seed=seed), spec):
            ids += piece
            finished_by = reason
        parser = OCTUPUS.parser(chat.tokenizer)
        message = fold(parser.push(ids) + parser.finish())
        if finished_by == "stop":
            assert parser.malformed is None
            jsonschema.validate(json.loads(message.tool_calls[0].function.arguments), schema)


def _all_valid(calls: Any) -> bool:
    try:
        check_calls(calls)
    except (KeyError, ValueError, jsonschema.ValidationError):
        return False
    return True
