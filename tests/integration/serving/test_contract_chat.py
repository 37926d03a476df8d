"""Chat Completions with the official `openai` client: every way of asking gives the same, right answer."""

import json
from enum import StrEnum
from typing import Any, Literal

import openai
import pydantic
import pytest

from . import asking
from .asking import CLOCK, MESSAGES, MODEL, PERSON, TOOLS, Ask, asked_by, tokens_of
from .checks import chat_facts, check_chat

pytestmark = pytest.mark.timeout(900)

NAMED = {"type": "function", "function": {"name": "get_time"}}


def allowed(mode: str) -> dict[str, Any]:
    limits = {"mode": mode, "tools": [{"type": "function", "function": {"name": "get_time"}}]}
    return {"type": "allowed_tools", "allowed_tools": limits}


REQUESTS: dict[str, dict[str, Any]] = {
    "text": {},
    "several answers": {"n": 3},
    "scores": {"logprobs": True, "top_logprobs": 3},
    "scores of several answers": {"logprobs": True, "n": 2},
    "stop": {"stop": ["e", "a", "北"], "max_tokens": 60},
    "one stop": {"stop": "t", "logprobs": True, "max_tokens": 60},
    "auto": {"tools": TOOLS, "tool_choice": "auto"},
    "required": {"tools": TOOLS, "tool_choice": "required"},
    "one call": {"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False, "max_tokens": 120},
    "named": {"tools": TOOLS, "tool_choice": NAMED},
    "none": {"tools": TOOLS, "tool_choice": "none"},
    "allowed auto": {"tools": TOOLS, "tool_choice": allowed("auto")},
    "allowed required": {"tools": TOOLS, "tool_choice": allowed("required")},
    "calls of several answers": {"tools": TOOLS, "tool_choice": "required", "n": 2},
    "schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON}}},
    "JSON": {"response_format": {"type": "json_object"}},
    "plain format": {"response_format": {"type": "text"}},
    "completion tokens": {"max_completion_tokens": 7, "max_tokens": None},
    "greedy": {"temperature": 0, "frequency_penalty": 0.5, "presence_penalty": -0.5},
    "drawing": {"top_p": 0.9, "logit_bias": {"5": -100}, "extra_body": {"top_k": 20, "min_p": 0.01}},
    "no thinking": {"reasoning_effort": "none", "user": "u-1", "metadata": {"run": "7"}, "store": False},
    "parts": {
        "messages": [
            {"role": "developer", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]},
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        ]
    },
}
WAYS: list[Ask] = [
    asking.chat_streamed,
    asking.chat_helper,
    asking.chat_async_whole,
    asking.chat_async_streamed,
    asking.chat_async_helper,
]


def filled(fields: dict[str, Any]) -> dict[str, Any]:
    values = {"model": MODEL, "messages": MESSAGES, "max_tokens": 48, "seed": 5} | fields
    return {name: value for name, value in values.items() if value is not None}


def ways_for(name: str) -> list[Ask]:
    """Two of the ways, others for the next request: each way meets requests of all kinds in a part of the time."""
    first = list(REQUESTS).index(name)
    return [WAYS[(first + step) % len(WAYS)] for step in (0, 2)]


@pytest.mark.parametrize("name", REQUESTS)
def test_every_way_of_asking_gives_the_same_right_answer(base_url: str, client: openai.OpenAI, name: str) -> None:
    asked = filled(REQUESTS[name])
    whole = asking.chat_whole(client, **asked)
    prompt = {"messages": asked["messages"], "tools": asked.get("tools")}
    check_chat(whole, asked, None if "reasoning_effort" in asked else tokens_of(base_url, **prompt))
    for way in ways_for(name):
        answer = asked_by(way, base_url, **asked)
        check_chat(answer, asked)
        assert chat_facts(answer) == chat_facts(whole), way.__name__


def test_answers_to_one_request_differ_and_other_seeds_do(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(**filled({"n": 4}))
    contents = {choice.message.content for choice in completion.choices}
    # Not the next seed, which the second of several answers has.
    contents |= {client.chat.completions.create(**filled({"seed": 66})).choices[0].message.content}
    assert len(contents) == 5


def test_a_stream_has_the_order_that_clients_expect(client: openai.OpenAI) -> None:
    asked = filled({"n": 2, "tools": TOOLS, "tool_choice": "required"})
    chunks = list(client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **asked))
    assert len({chunk.id for chunk in chunks}) == 1
    *rest, last = chunks
    assert last.choices == []
    assert last.usage is not None
    assert all(chunk.usage is None and len(chunk.choices) == 1 for chunk in rest)
    for index in range(2):
        own = [chunk.choices[0] for chunk in rest if chunk.choices[0].index == index]
        assert own[0].delta.role == "assistant"
        assert [choice.finish_reason for choice in own[:-1]] == [None] * (len(own) - 1)
        assert own[-1].finish_reason
        opened = [call.index for choice in own for call in choice.delta.tool_calls or [] if call.id is not None]
        assert opened == list(range(len(opened)))
        for choice in own:
            for call in choice.delta.tool_calls or []:
                assert (call.id is None) == (call.function is None or call.function.name is None)


def test_a_stream_without_usage_tells_none(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(stream=True, **filled({"max_tokens": 5})))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


class Unit(StrEnum):
    CELSIUS = "celsius"
    FAHRENHEIT = "fahrenheit"


class Forecast(pydantic.BaseModel):
    """A forecast."""

    unit: Unit
    rain: bool
    wind: Literal["weak", "strong"] | None


def test_parse_gives_an_object_of_the_asked_class(client: openai.OpenAI) -> None:
    completion = client.chat.completions.parse(**filled({"max_tokens": 120}), response_format=Forecast)
    assert isinstance(completion.choices[0].message.parsed, Forecast)
    with client.chat.completions.stream(**filled({"max_tokens": 120}), response_format=Forecast) as stream:
        streamed = stream.get_final_completion()
    assert streamed.choices[0].message.parsed == completion.choices[0].message.parsed


def test_parse_reads_the_arguments_of_calls(client: openai.OpenAI) -> None:
    asked = filled({"tool_choice": "required", "parallel_tool_calls": False, "max_tokens": 120})
    completion = client.chat.completions.parse(**asked, tools=[openai.pydantic_function_tool(Forecast)])
    [call] = completion.choices[0].message.tool_calls or []
    assert isinstance(call.function.parsed_arguments, Forecast)


async def parsed(client: openai.AsyncOpenAI) -> Any:
    async with client:
        return await client.chat.completions.parse(**filled({"max_tokens": 120}), response_format=Forecast)


def test_parse_works_from_an_event_loop(async_client: openai.AsyncOpenAI) -> None:
    import asyncio

    assert isinstance(asyncio.run(parsed(async_client)).choices[0].message.parsed, Forecast)


def test_parse_raises_when_the_answer_was_cut(client: openai.OpenAI) -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "minItems": 4}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    with pytest.raises(openai.LengthFinishReasonError) as cut:
        client.chat.completions.parse(**filled({"max_tokens": 13}), response_format=wanted)  # type: ignore[type-var]
    assert len(json.loads(cut.value.completion.choices[0].message.content or "")) >= 4


def calling(client: openai.OpenAI) -> Any:
    asked = filled({"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False})
    return client.chat.completions.create(**asked).choices[0].message


def turn(call: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": [call], **fields}


CALL = {"id": "call_1", "type": "function", "function": {"name": "get_time", "arguments": '{"utc": true}'}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "12:00"}
SENT_BACK: dict[str, list[dict[str, Any]]] = {
    "null content": [turn(CALL, content=None), RESULT],
    "no content": [turn(CALL), RESULT],
    "empty content": [turn(CALL, content=""), RESULT],
    "content and a call": [turn(CALL, content="Let me look."), RESULT],
    "extra fields": [turn(CALL, content=None, refusal=None, annotations=[], audio=None, name="bot"), RESULT],
    "old fields": [turn(CALL, content=None, function_call=None, reasoning_content="Hm.", parsed=None), RESULT],
    "a call's index": [turn(CALL | {"index": 0}), RESULT],
    "arguments as an object": [turn(CALL | {"function": CLOCK | {"arguments": {"utc": True}}}), RESULT],
    "parsed arguments": [turn(CALL | {"function": {**CALL["function"], "parsed_arguments": None}}), RESULT],  # type: ignore[dict-item]
    "no ids": [
        turn({key: value for key, value in CALL.items() if key != "id"}),
        {"role": "tool", "content": "12:00"},
    ],
    "null ids": [turn(CALL | {"id": None}), RESULT | {"tool_call_id": None}],
    "result in parts": [turn(CALL), RESULT | {"content": [{"type": "text", "text": "12:00"}]}],
    "a named result": [turn(CALL), RESULT | {"name": "get_time"}],
    "empty lists": [{"role": "assistant", "content": "Hello.", "tool_calls": []}],
    "null calls": [{"role": "assistant", "content": "Hello.", "tool_calls": None}],
    "an answer in parts": [{"role": "assistant", "content": [{"type": "text", "text": "Hello."}]}],
    "a refusal": [{"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}],
}


@pytest.mark.parametrize("name", SENT_BACK)
def test_assistant_messages_come_back_as_clients_send_them(client: openai.OpenAI, name: str) -> None:
    asked = filled({"tools": TOOLS, "messages": [*MESSAGES, *SENT_BACK[name], *MESSAGES], "max_tokens": 24})
    check_chat(client.chat.completions.create(**asked), asked)


@pytest.mark.parametrize(
    "form",
    [
        lambda message: message,
        lambda message: message.model_dump(),
        lambda message: message.model_dump(exclude_none=True),
        lambda message: message.to_dict(),
        lambda message: json.loads(message.model_dump_json()),
    ],
    ids=["object", "dump", "without nulls", "dict", "JSON"],
)
def test_the_clients_own_message_objects_come_back(base_url: str, client: openai.OpenAI, form: Any) -> None:
    message = calling(client)
    [call] = message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": '{"sky": "clear"}'}
    asked = filled({"tools": TOOLS, "tool_choice": "none", "max_tokens": 10})
    answer = client.chat.completions.create(**asked | {"messages": [*MESSAGES, form(message), result]})
    plain = [*MESSAGES, message.model_dump(), result]
    check_chat(answer, asked, tokens_of(base_url, messages=plain, tools=TOOLS))
