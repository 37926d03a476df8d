"""The two APIs' bodies: a request read into a conversation, and an answer written as OpenAI writes it.

Shapes are those of the `openai` package's types `ChatCompletion` and `Response`.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bfcl_oracle.answers import Function
from tests.bfcl_oracle.items import prompt_of
from tests.bfcl_oracle.recognition import Conversation

Body = dict[str, Any]

BYTES_PER_TOKEN = 4
"""The stand-in for a tokenizer: the harness asks that usage is there and adds it up, and looks no closer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the assistant says: calls as (name, arguments in JSON), or content where there are none.

    `seed` makes the ids: the same answer at the same place of the same conversation always has the same ones.
    """

    calls: Sequence[tuple[str, str]]
    content: str
    seed: str

    def identifier(self, prefix: str, index: int = 0) -> str:
        return prefix + hashlib.sha256(f"{self.seed} {index}".encode()).hexdigest()[:24]

    @property
    def tokens(self) -> int:
        return _tokens(sum(len(name) + len(arguments) for name, arguments in self.calls) or len(self.content))


def chat_conversation(body: Mapping[str, Any]) -> Conversation:
    """A Chat Completions request. Raises KeyError and TypeError for a body that is not one."""
    return _conversation(body["messages"], [tool["function"] for tool in body.get("tools") or ()])


def responses_conversation(body: Mapping[str, Any]) -> Conversation:
    """A Responses request: its tools are flat. Raises KeyError and TypeError for a body that is not one."""
    given = body["input"]
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else given
    return _conversation(messages, body.get("tools") or ())


def _conversation(messages: Sequence[Mapping[str, Any]], functions: Sequence[Function]) -> Conversation:
    """A tool's result is a message of the role `tool` in one API, an item `function_call_output` in the other."""
    done = 0
    for message in messages:
        if message.get("role") == "tool" or message.get("type") == "function_call_output":
            done += 1
        elif message.get("role") == "user":
            done = 0
    return Conversation(prompt_of(messages), tuple(functions), done)


def chat_body(answer: Answer, request: Mapping[str, Any], size: int) -> Body:
    """A `chat.completion` object; `size` is the request's, in bytes."""
    message: Body = {"role": "assistant", "content": answer.content, "refusal": None, "annotations": []}
    if answer.calls:
        message |= {"content": None, "tool_calls": [_chat_call(answer, index) for index in range(len(answer.calls))]}
    finish_reason = "tool_calls" if answer.calls else "stop"
    return {
        "id": answer.identifier("chatcmpl-"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.get("model", "oracle"),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
        "usage": _chat_usage(_tokens(size), answer.tokens),
        "service_tier": "default",
        "system_fingerprint": None,
    }


def responses_body(answer: Answer, request: Mapping[str, Any], size: int) -> Body:
    """A `response` object that is completed; `size` is the request's, in bytes."""
    output = [_responses_call(answer, index) for index in range(len(answer.calls))] or [_responses_message(answer)]
    return {
        "id": answer.identifier("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": request.get("model", "oracle"),
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "temperature": request.get("temperature", 1.0),
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [{"strict": None} | tool for tool in request.get("tools") or ()],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _responses_usage(_tokens(size), answer.tokens),
        "user": None,
    }


def error_body(message: str, kind: str, code: str | None = None, parameter: str | None = None) -> Body:
    """OpenAI's envelope of an error."""
    return {"error": {"message": message, "type": kind, "param": parameter, "code": code}}


def models_body(models: Sequence[str]) -> Body:
    """The list that GET /v1/models returns."""
    return {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 0, "owned_by": "octupus"} for name in models],
    }


def encode(body: Body) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)


def _chat_call(answer: Answer, index: int) -> Body:
    name, arguments = answer.calls[index]
    return {
        "id": answer.identifier("call_", index),
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _responses_call(answer: Answer, index: int) -> Body:
    name, arguments = answer.calls[index]
    return {
        "type": "function_call",
        "id": answer.identifier("fc_", index),
        "call_id": answer.identifier("call_", index),
        "name": name,
        "arguments": arguments,
        "status": "completed",
    }


def _responses_message(answer: Answer) -> Body:
    text = {"type": "output_text", "text": answer.content, "annotations": [], "logprobs": []}
    return {
        "type": "message",
        "id": answer.identifier("msg_"),
        "role": "assistant",
        "status": "completed",
        "content": [text],
    }


def _chat_usage(prompt: int, completion: int) -> Body:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _responses_usage(prompt: int, completion: int) -> Body:
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt + completion,
    }
