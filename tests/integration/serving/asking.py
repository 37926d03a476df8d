"""What the contract tests ask for, and every way in which the `openai` package asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import openai
from openai.lib.streaming.chat import ChatCompletionStreamState

MODEL = "octupus"
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 12},
            "days": {"type": "integer", "minimum": 1, "maximum": 9},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city"],
        "additionalProperties": False,
    },
}
CLOCK: dict[str, Any] = {
    "name": "get_time",
    "parameters": {"type": "object", "properties": {"utc": {"type": "boolean"}}, "required": ["utc"]},
}
FUNCTIONS = {function["name"]: function for function in (WEATHER, CLOCK)}
TOOLS: list[Any] = [{"type": "function", "function": function} for function in FUNCTIONS.values()]
FLAT_TOOLS: list[Any] = [{"type": "function", **function} for function in FUNCTIONS.values()]
MESSAGES: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
PERSON = {
    "type": "object",
    "properties": {"adult": {"type": "boolean"}, "kind": {"enum": ["a", "b", None]}},
    "required": ["adult", "kind"],
    "additionalProperties": False,
}

Ask = Callable[..., Any]


def chat_whole(client: openai.OpenAI, **asked: Any) -> Any:
    return client.chat.completions.create(**asked)


def chat_streamed(client: openai.OpenAI, **asked: Any) -> Any:
    """The fold of the stream, by the package's own rules."""
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for chunk in client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **asked):
        state.handle_chunk(chunk)
    return state.current_completion_snapshot


def chat_helper(client: openai.OpenAI, **asked: Any) -> Any:
    with client.chat.completions.stream(stream_options={"include_usage": True}, **asked) as stream:
        stream.until_done()
        return stream.current_completion_snapshot


async def chat_async_whole(client: openai.AsyncOpenAI, **asked: Any) -> Any:
    return await client.chat.completions.create(**asked)


async def chat_async_streamed(client: openai.AsyncOpenAI, **asked: Any) -> Any:
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    stream = await client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **asked)
    async for chunk in stream:
        state.handle_chunk(chunk)
    return state.current_completion_snapshot


async def chat_async_helper(client: openai.AsyncOpenAI, **asked: Any) -> Any:
    async with client.chat.completions.stream(stream_options={"include_usage": True}, **asked) as stream:
        await stream.until_done()
        return stream.current_completion_snapshot


def response_whole(client: openai.OpenAI, **asked: Any) -> Any:
    return client.responses.create(**asked)


def response_streamed(client: openai.OpenAI, **asked: Any) -> Any:
    *_, last = client.responses.create(stream=True, **asked)
    return last.response


def response_helper(client: openai.OpenAI, **asked: Any) -> Any:
    with client.responses.stream(**asked) as stream:
        *_, last = stream
    return last.response


async def response_async_whole(client: openai.AsyncOpenAI, **asked: Any) -> Any:
    return await client.responses.create(**asked)


async def response_async_streamed(client: openai.AsyncOpenAI, **asked: Any) -> Any:
    return [event async for event in await client.responses.create(stream=True, **asked)][-1].response


async def response_async_helper(client: openai.AsyncOpenAI, **asked: Any) -> Any:
    async with client.responses.stream(**asked) as stream:
        return [event async for event in stream][-1].response


def text_whole(client: openai.OpenAI, **asked: Any) -> Any:
    return client.completions.create(**asked)


def text_streamed(client: openai.OpenAI, **asked: Any) -> Any:
    stream = client.completions.create(stream=True, stream_options={"include_usage": True}, **asked)
    return folded_text(list(stream))


async def text_async_whole(client: openai.AsyncOpenAI, **asked: Any) -> Any:
    return await client.completions.create(**asked)


async def text_async_streamed(client: openai.AsyncOpenAI, **asked: Any) -> Any:
    stream = await client.completions.create(stream=True, stream_options={"include_usage": True}, **asked)
    return folded_text([chunk async for chunk in stream])


def folded_text(chunks: list[Any]) -> Any:
    """Chunks of /v1/completions as the whole answer they spell; the package has no fold for them."""
    whole = chunks[-1].model_copy(deep=True)
    assert whole.usage is not None
    assert whole.choices == []
    found: dict[int, Any] = {}
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        if choice.index not in found:
            found[choice.index] = choice.model_copy(deep=True)
            continue
        first = found[choice.index]
        first.text += choice.text
        first.finish_reason = choice.finish_reason or first.finish_reason
        if first.logprobs is None:
            first.logprobs = choice.logprobs
        elif choice.logprobs is not None:
            for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
                setattr(first.logprobs, name, getattr(first.logprobs, name) + getattr(choice.logprobs, name))
    whole.choices = [found[index] for index in sorted(found)]
    return whole


def asked_by(ask: Ask, base_url: str, **asked: Any) -> Any:
    """The answer of one of the functions above, with the client it is made for."""
    options: dict[str, Any] = {"base_url": base_url, "api_key": "unused", "max_retries": 0}
    if not asyncio.iscoroutinefunction(ask):
        with openai.OpenAI(**options) as client:
            return ask(client, **asked)

    async def run() -> Any:
        async with openai.AsyncOpenAI(**options) as client:
            return await ask(client, **asked)

    return asyncio.run(run())


def tokens_of(base_url: str, **conversation: Any) -> int:
    """How many tokens a prompt has, as /tokenize counts them."""
    answer = httpx.post(f"{base_url}/tokenize", json=conversation)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["count"])
