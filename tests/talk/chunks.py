"""Chunks of streamed answers, as an endpoint sends them."""

from typing import Any

from openai.types.chat import ChatCompletionChunk


def chunk(finish_reason: str | None = None, **delta: Any) -> ChatCompletionChunk:
    """One chunk with one delta."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return ChatCompletionChunk.model_validate(
        {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
    )


def call_chunk(index: int, arguments: str, name: str | None = None) -> ChatCompletionChunk:
    """One piece of a call; the first one has its name."""
    function = {"arguments": arguments} | ({} if name is None else {"name": name})
    opening = {} if name is None else {"id": f"id{index}", "type": "function"}
    return chunk(tool_calls=[{"index": index, "function": function, **opening}])


def text_answer(text: str) -> list[ChatCompletionChunk]:
    """An answer in words, a character a chunk."""
    return [chunk(role="assistant", content=""), *(chunk(content=character) for character in text), chunk("stop")]


def calling_answer(*calls: tuple[str, str]) -> list[ChatCompletionChunk]:
    """An answer of calls, given as (name, arguments)."""
    chunks = [chunk(role="assistant", content="")]
    for index, (name, arguments) in enumerate(calls):
        chunks += [call_chunk(index, "", name), *(call_chunk(index, character) for character in arguments)]
    return [*chunks, chunk("tool_calls")]
