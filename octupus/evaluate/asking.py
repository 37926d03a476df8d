"""Sends requests to the endpoint through the `openai` package, as any client would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from openai import AsyncOpenAI, OpenAIError

from octupus.evaluate.held_out import HeldOutRequest
from octupus.evaluate.scoring import Reply
from octupus.telemetry import progress


def ask_all(
    base_url: str,
    model: str,
    requests: Sequence[HeldOutRequest],
    stream: bool,
    constrained: bool,
    concurrency: int = 32,
) -> list[Reply]:
    """One reply for each request, in their order; a failed request is a reply with `error`."""
    return asyncio.run(_ask_all(base_url, model, requests, stream, constrained, concurrency))


async def _ask_all(
    base_url: str, model: str, requests: Sequence[HeldOutRequest], stream: bool, constrained: bool, concurrency: int
) -> list[Reply]:
    gate = asyncio.Semaphore(concurrency)
    name = ("constrained" if constrained else "unconstrained") + (", streamed" if stream else "")
    with progress(f"asking, {name}", total=len(requests)) as bar:
        async with AsyncOpenAI(base_url=base_url, api_key="unused", max_retries=0, timeout=300) as client:

            async def one(request: HeldOutRequest) -> Reply:
                async with gate:
                    reply = await _ask(client, model, request, stream, constrained)
                bar.advance(bar.task_ids[0])
                return reply

            return list(await asyncio.gather(*(one(request) for request in requests)))


async def _ask(client: AsyncOpenAI, model: str, request: HeldOutRequest, stream: bool, constrained: bool) -> Reply:
    arguments: dict[str, Any] = {
        "model": model,
        "messages": request.messages,
        "temperature": 0,
        "max_tokens": 256,
        "extra_body": {"constrained": constrained},
    }
    if request.tools:
        arguments["tools"] = request.tools
    try:
        if stream:
            return await _streamed(client, arguments)
        completion = await client.chat.completions.create(**arguments)
    except OpenAIError as error:
        return Reply(error=f"{type(error).__name__}: {error}")
    message = completion.choices[0].message
    return Reply(
        calls=tuple((call.function.name, call.function.arguments) for call in message.tool_calls or ()),
        content=message.content,
        completion_tokens=completion.usage.completion_tokens,
    )


async def _streamed(client: AsyncOpenAI, arguments: dict[str, Any]) -> Reply:
    names: dict[int, str] = {}
    pieces: dict[int, list[str]] = {}
    content: list[str] = []
    tokens = 0
    finished = False
    events = await client.chat.completions.create(**arguments, stream=True, stream_options={"include_usage": True})
    async for event in events:
        if event.usage is not None:
            tokens = event.usage.completion_tokens
        for choice in event.choices:
            finished = finished or choice.finish_reason is not None
            content.append(choice.delta.content or "")
            for call in choice.delta.tool_calls or ():
                names.setdefault(call.index, call.function.name)
                pieces.setdefault(call.index, []).append(call.function.arguments or "")
    return Reply(
        calls=tuple((name, "".join(pieces[index])) for index, name in sorted(names.items())),
        content="".join(content) or None,
        completion_tokens=tokens,
        error=None if finished else "the stream ended without a finish reason",
    )


def shown(request: HeldOutRequest, reply: Reply) -> str:
    """A conversation for people to read: the tools offered, the messages, and the answer."""
    lines = ["tools: " + (", ".join(tool["function"]["name"] for tool in request.tools) or "none")]
    lines += [f"{message['role']}: {_text(message)}" for message in request.messages]
    lines += [f"assistant calls {name} {arguments}" for name, arguments in reply.calls]
    if reply.content:
        lines.append(f"assistant: {reply.content}")
    expected = [f"{name} {json.dumps(arguments, ensure_ascii=False)}" for name, arguments in request.expected_calls]
    return "\n".join([*lines, "expected: " + ("; ".join(expected) or "no call")])


def _text(message: dict[str, Any]) -> str:
    calls = message.get("tool_calls") or ()
    written = [f"{call['function']['name']} {call['function']['arguments']}" for call in calls]
    return " ".join([message.get("content") or "", *written]).strip()
