"""Responses with the official `openai` client: every way of asking, the order of events, and round trips."""

import asyncio
import json
from typing import Any

import openai
import pydantic
import pytest

from . import asking
from .asking import FLAT_TOOLS, FUNCTIONS, MODEL, PERSON, Ask, asked_by, tokens_of
from .checks import check_calls, check_content, check_usage

pytestmark = pytest.mark.timeout(900)

LOGPROBS = "message.output_text.logprobs"
CALLING: dict[str, Any] = {"tools": FLAT_TOOLS, "tool_choice": "required"}
ALLOWED = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_time"}]}
REQUESTS: dict[str, dict[str, Any]] = {
    "text": {},
    "instructions": {"instructions": "Be brief."},
    "items": {"input": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hello"}]},
    "parts": {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}]},
    "auto": {"tools": FLAT_TOOLS, "tool_choice": "auto"},
    "required": CALLING,
    "one call": {
        "tools": FLAT_TOOLS,
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "max_output_tokens": 120,
    },
    "two calls": {"tools": FLAT_TOOLS, "tool_choice": "required", "max_tool_calls": 2, "max_output_tokens": 200},
    "named": {"tools": FLAT_TOOLS, "tool_choice": {"type": "function", "name": "get_time"}},
    "none": {"tools": FLAT_TOOLS, "tool_choice": "none"},
    "allowed": {"tools": FLAT_TOOLS, "tool_choice": ALLOWED},
    "schema": {"text": {"format": {"type": "json_schema", "name": "person", "schema": PERSON, "strict": True}}},
    "JSON": {"text": {"format": {"type": "json_object"}}},
    "scores": {"include": [LOGPROBS], "top_logprobs": 2},
    "stored": {"store": True, "metadata": {"run": "7"}, "user": "u-1", "truncation": "auto"},
    "drawing": {"temperature": 0.5, "top_p": 0.9, "reasoning": {"effort": "none"}},
}
WAYS: list[Ask] = [
    asking.response_streamed,
    asking.response_helper,
    asking.response_async_whole,
    asking.response_async_streamed,
    asking.response_async_helper,
]


def filled(fields: dict[str, Any]) -> dict[str, Any]:
    values = {"model": MODEL, "input": "What is the weather in Paris?", "max_output_tokens": 48} | fields
    return values | {"extra_body": {"seed": 5} | values.get("extra_body", {})}


def check(response: Any, asked: dict[str, Any], prompt_tokens: int | None = None) -> None:
    """A whole Response, or what a stream ends with, against its request."""
    assert response.id.startswith("resp_")
    assert response.object == "response"
    assert response.error is None
    assert response.store is False
    assert response.previous_response_id is None
    assert response.metadata == asked.get("metadata", {})
    assert response.instructions == asked.get("instructions")
    cut = response.status == "incomplete"
    assert response.status in ("completed", "incomplete")
    assert (response.incomplete_details.reason if cut else response.incomplete_details) == (
        "max_output_tokens" if cut else None
    )
    assert response.output
    assert len({item.id for item in response.output}) == len(response.output)
    calls = [item for item in response.output if item.type == "function_call"]
    check_calls([(call.call_id, call.name, call.arguments) for call in calls], asked)
    for item in response.output:
        assert item.type in ("message", "function_call", "reasoning")
        assert item.status == "completed" or cut
    wanted = asked.get("text", {}).get("format", {})
    schema = {"json_object": {"type": "object"}, "json_schema": wanted.get("schema")}.get(wanted.get("type"))
    check_content(response.output_text, asked, schema)
    scored = [token for part in texts_of(response) for token in part.logprobs or []]
    assert bool(scored) == (LOGPROBS in asked.get("include", ()))
    assert all(token.logprob <= 0 and len(token.top_logprobs) <= 2 for token in scored)
    usage = response.usage
    check_usage(usage.input_tokens, usage.output_tokens, usage.total_tokens, prompt_tokens)
    assert usage.output_tokens <= asked["max_output_tokens"]


def texts_of(response: Any) -> list[Any]:
    return [part for item in response.output if item.type == "message" for part in item.content]


def facts(response: Any) -> Any:
    """What two answers to the same request and seed must have in common."""
    told = [(item.type, item.status, getattr(item, "name", None)) for item in response.output]
    arguments = [item.arguments for item in response.output if item.type == "function_call"]
    usage = response.usage
    return response.status, told, arguments, response.output_text, usage.input_tokens, usage.output_tokens


def ways_for(name: str) -> list[Ask]:
    """Two of the ways, others for the next request: each way meets requests of all kinds in a part of the time."""
    first = list(REQUESTS).index(name)
    return [WAYS[(first + step) % len(WAYS)] for step in (0, 2)]


@pytest.mark.parametrize("name", REQUESTS)
def test_every_way_of_asking_gives_the_same_right_answer(client: openai.OpenAI, name: str) -> None:
    asked = filled(REQUESTS[name])
    whole = asking.response_whole(client, **asked)
    check(whole, asked)
    for way in ways_for(name):
        answer = asked_by(way, str(client.base_url), **asked)
        check(answer, asked)
        assert facts(answer) == facts(whole), way.__name__


@pytest.mark.parametrize("name", ["text", "two calls", "auto", "scores"])
def test_events_come_in_openais_order(client: openai.OpenAI, name: str) -> None:
    events = list(client.responses.create(stream=True, **filled(REQUESTS[name])))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    last = events[-1]
    assert last.type in ("response.completed", "response.incomplete")
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert [item.model_dump() for item in done] == [item.model_dump() for item in last.response.output]  # type: ignore[union-attr]
    for position, item in enumerate(done):
        own: list[Any] = [event for event in events if getattr(event, "output_index", None) == position]
        kinds = [event.type.removeprefix("response.") for event in own]
        if item.type == "function_call":
            expected = ["output_item.added", "function_call_arguments.done", "output_item.done"]
            pieces, written = "function_call_arguments.delta", item.arguments
        else:
            expected = ["output_item.added", "content_part.added", "output_text.done"]
            expected += ["content_part.done", "output_item.done"]
            pieces, written = "output_text.delta", "".join(part.text for part in item.content)  # type: ignore[union-attr]
        assert [kind for kind in kinds if kind != pieces] == expected
        assert "".join(event.delta for event in own if event.type.endswith(".delta")) == written
        assert all(event.item_id == item.id for event in own if hasattr(event, "item_id"))


def test_a_call_and_its_result_make_a_round_trip(base_url: str, client: openai.OpenAI) -> None:
    asked = filled(REQUESTS["one call"])
    first = client.responses.create(**asked)
    [call] = first.output
    result = {"type": "function_call_output", "call_id": call.call_id, "output": '{"sky": "clear"}'}  # type: ignore[union-attr]
    history = [{"role": "user", "content": asked["input"]}, *first.output, result]
    second = filled({"tools": FLAT_TOOLS, "tool_choice": "none", "input": history, "max_output_tokens": 12})
    messages = [
        {"role": "user", "content": asked["input"]},
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": call.name, "arguments": call.arguments}}  # type: ignore[union-attr]
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": '{"sky": "clear"}'},
    ]
    tools = [{"type": "function", "function": function} for function in FUNCTIONS.values()]
    check(client.responses.create(**second), second, tokens_of(base_url, messages=messages, tools=tools))


def test_items_come_back_as_plain_objects_too(client: openai.OpenAI) -> None:
    first = client.responses.create(**filled(REQUESTS["two calls"]))
    history: list[Any] = [{"role": "user", "content": "Hello"}]
    for item in first.output:
        history.append(json.loads(item.model_dump_json()))
        if item.type == "function_call":
            parts = [{"type": "input_text", "text": "12:00"}]
            history.append({"type": "function_call_output", "call_id": item.call_id, "output": parts})
    again = filled({"input": [*history, {"role": "user", "content": "And now?"}], "tools": FLAT_TOOLS})
    check(client.responses.create(**again), again)


class Person(pydantic.BaseModel):
    """A person."""

    adult: bool
    married: bool | None


def test_parse_gives_an_object_of_the_asked_class(client: openai.OpenAI) -> None:
    asked = filled({"max_output_tokens": 100})
    parsed = client.responses.parse(**asked, text_format=Person)
    assert isinstance(parsed.output_parsed, Person)
    with client.responses.stream(**asked, text_format=Person) as stream:
        assert stream.get_final_response().output_parsed == parsed.output_parsed


def test_parse_reads_the_arguments_of_calls(client: openai.OpenAI) -> None:
    tool = openai.pydantic_function_tool(Person)["function"]
    tools: Any = [{"type": "function", **tool}]
    asked = filled({"max_output_tokens": 100, "tool_choice": "required", "parallel_tool_calls": False})
    [call] = client.responses.parse(**asked, tools=tools).output
    assert call.type == "function_call"
    assert Person.model_validate(call.parsed_arguments)


def test_parse_works_from_an_event_loop(async_client: openai.AsyncOpenAI) -> None:
    async def parsed() -> Any:
        async with async_client:
            return await async_client.responses.parse(**filled({"max_output_tokens": 100}), text_format=Person)

    assert isinstance(asyncio.run(parsed()).output_parsed, Person)


def test_an_answer_that_was_cut_says_so(client: openai.OpenAI) -> None:
    response = client.responses.create(**filled({"max_output_tokens": 3, "text": {"format": {"type": "text"}}}))
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an earlier response": ({"previous_response_id": "resp_1"}, "previous_response_id"),
    "a conversation": ({"conversation": "conv_1"}, "conversation"),
    "in the background": ({"background": True}, "background"),
    "a stored prompt": ({"prompt": {"id": "p"}}, "prompt"),
    "a tool of OpenAI's": ({"tools": [{"type": "web_search"}]}, "tools.0"),
    "an image": ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input.0.content.0"),
    "a reference": ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input.0"),
    "no input": ({"input": []}, "input"),
    "chat's field": ({"extra_body": {"messages": [{"role": "user", "content": "Hello"}]}}, "messages"),
    "an unknown tool": ({"tool_choice": {"type": "function", "name": "other"}, "tools": FLAT_TOOLS}, "tool_choice"),
    "a result of no call": (
        {"input": [{"type": "function_call_output", "call_id": "call_9", "output": "1"}]},
        "input.0.call_id",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused_with_its_field(client: openai.OpenAI, name: str) -> None:
    fields, parameter = REFUSED[name]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(stream=stream, **filled(fields))
        assert refused.value.param is not None
        assert refused.value.param.startswith(parameter)
        assert refused.value.type == "invalid_request_error"
        assert parameter.split(".")[0] in refused.value.message
