"""Questions asked of an endpoint all at once while something of it dies: both APIs, streamed and whole, with tools."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import jsonschema
import openai

TOKENS = 300

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 20},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
        "units": {"type": "array", "items": {"enum": ["celsius", "fahrenheit"]}, "maxItems": 4},
    },
    "required": ["city", "units"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Question:
    route: str
    stream: bool
    tools: bool
    greedy: bool
    seed: int

    def chat(self) -> dict[str, Any]:
        tool = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
        return self._drawn() | {
            "messages": [{"role": "user", "content": self._text()}],
            "max_tokens": TOKENS,
            "seed": self.seed,
            **({"tools": [tool], "tool_choice": "required"} if self.tools else {}),
        }

    def responses(self) -> dict[str, Any]:
        tool = {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": True}
        return self._drawn() | {
            "input": self._text(),
            "max_output_tokens": TOKENS,
            "extra_body": {"seed": self.seed},
            **({"tools": [tool], "tool_choice": "required"} if self.tools else {}),
        }

    def _drawn(self) -> dict[str, Any]:
        return {"model": "octupus", "temperature": 0.0 if self.greedy else 1.0}

    def _text(self) -> str:
        return f"Question {self.seed}: what is the weather in Paris?"


QUESTIONS = [
    Question(route, stream, tools, greedy, seed)
    for seed, (route, stream, tools, greedy) in enumerate(
        (route, stream, tools, greedy)
        for route in ("chat", "responses")
        for stream in (True, False)
        for tools in (True, False)
        for greedy in (True, False)
    )
]


@dataclass(frozen=True)
class Answer:
    text: str
    calls: tuple[tuple[str, str], ...]
    reason: str | None


def client_of(base_url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=base_url, api_key="unused", max_retries=0, timeout=240)


async def answers_to_all(base_url: str, flowing: asyncio.Barrier | None = None) -> list[Answer]:
    """All questions at once; `flowing` is passed by each stream when it has begun."""
    async with client_of(base_url) as client:
        return list(await asyncio.gather(*(ask(client, question, flowing) for question in QUESTIONS)))


async def ask(client: openai.AsyncOpenAI, question: Question, flowing: asyncio.Barrier | None = None) -> Answer:
    asked = ask_chat if question.route == "chat" else ask_responses
    answer = await asked(client, question, flowing if question.stream else None)
    for name, arguments in answer.calls:
        assert name == "get_weather"
        jsonschema.validate(json.loads(arguments), SCHEMA)
    assert bool(answer.calls) == question.tools
    return answer


async def ask_chat(client: openai.AsyncOpenAI, question: Question, flowing: asyncio.Barrier | None) -> Answer:
    fields = question.chat()
    if not question.stream:
        choice = (await client.chat.completions.create(**fields)).choices[0]
        calls = [(call.function.name, call.function.arguments) for call in choice.message.tool_calls or ()]
        return Answer(choice.message.content or "", tuple(calls), choice.finish_reason)
    text, reasons = "", []
    named: dict[int, list[str]] = {}
    async for chunk in await client.chat.completions.create(**fields, stream=True):
        assert not reasons, "nothing comes behind the finish reason"
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or ():
                parts = named.setdefault(call.index, ["", ""])
                parts[0] += call.function.name or ""
                parts[1] += call.function.arguments or ""
            reasons += [choice.finish_reason] if choice.finish_reason else []
        if flowing is not None and (text or named):
            await flowing.wait()
            flowing = None
    return Answer(text, tuple((name, arguments) for name, arguments in named.values()), *reasons)


async def ask_responses(client: openai.AsyncOpenAI, question: Question, flowing: asyncio.Barrier | None) -> Answer:
    fields = question.responses()
    if not question.stream:
        return answer_of(await client.responses.create(**fields))
    deltas: dict[str, str] = {}
    async for event in await client.responses.create(**fields, stream=True):
        if event.type in ("response.output_text.delta", "response.function_call_arguments.delta"):
            deltas[event.item_id] = deltas.get(event.item_id, "") + event.delta
            if flowing is not None:
                await flowing.wait()
                flowing = None
        last = event
    assert last.type in ("response.completed", "response.incomplete"), last
    answer = answer_of(last.response)
    assert list(deltas.values()) == ([answer.text] if answer.text else []) + [call[1] for call in answer.calls]
    return answer


def answer_of(response: Any) -> Answer:
    calls = [(item.name, item.arguments) for item in response.output if item.type == "function_call"]
    reason = response.incomplete_details.reason if response.incomplete_details else response.status
    return Answer(response.output_text, tuple(calls), reason)


async def answers_while(base_url: str, strike: Callable[[], object]) -> list[Answer]:
    """The answers to all questions; `strike` is called while every streamed one is under way."""
    flowing = asyncio.Barrier(sum(question.stream for question in QUESTIONS) + 1)
    answering = asyncio.create_task(answers_to_all(base_url, flowing))
    reached = asyncio.create_task(flowing.wait())
    await asyncio.wait([answering, reached], return_when=asyncio.FIRST_COMPLETED)
    assert reached.done(), answering.exception()
    await asyncio.to_thread(strike)
    return await answering


def failovers(base_url: str) -> float:
    lines = httpx.get(base_url + "/metrics", timeout=30).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("ray_octupus_failovers_total"))
