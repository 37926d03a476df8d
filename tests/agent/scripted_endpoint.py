"""A real chat endpoint on 127.0.0.1 whose model is a Python function of what the request says, and of nothing else."""

import json
import random
from collections.abc import Callable
from typing import Any

from octupus.endpoint.client import EndpointClient
from octupus.endpoint.config import EndpointConfig, SamplingConfig
from tests.teacher_server import Reply, TeacherServer

Message = dict[str, Any]
Policy = Callable[[list[Message], list[dict[str, Any]], int], Message | Reply]
"""Messages, tools and seed to the assistant's message, or to a reply such as a failure."""


def says(content: str) -> Message:
    """A message that calls nothing."""
    return {"role": "assistant", "content": content}


def calls(*wanted: tuple[str, dict[str, Any] | str], content: str | None = None) -> Message:
    """A message that calls tools; arguments that are a text are sent as they are."""
    return {
        "role": "assistant",
        "content": content,
        "tool_calls": [
            {
                "id": f"call_{position}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False),
                },
            }
            for position, (name, arguments) in enumerate(wanted)
        ],
    }


def answers(text: str) -> Message:
    """A message that ends the task."""
    return calls(("Finish", {"return_type": "give_answer", "final_answer": text}))


def gives_up() -> Message:
    """A message that gives the attempt up."""
    return calls(("Finish", {"return_type": "give_up_and_restart"}))


def draws(messages: list[Message], seed: int) -> random.Random:
    """What a policy draws from: the same for the same request."""
    return random.Random(json.dumps([seed, messages], sort_keys=True))


def tokens(value: Any) -> int:
    """What a text costs here: a token for every four characters of its JSON."""
    return (len(json.dumps(value, ensure_ascii=False)) + 3) // 4


class ScriptedEndpoint(TeacherServer):
    """The server; `requests` are the requests that came."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        super().__init__()

    def _reply(self, request: dict[str, Any], authorization: str) -> Reply:
        with self._lock:
            self.requests.append(request)
        reply = self.policy(request["messages"], request.get("tools", []), request.get("seed") or 0)
        if isinstance(reply, Reply):
            return reply
        finish_reason = reply.pop("finish_reason", "tool_calls" if reply.get("tool_calls") else "stop")
        choice = {"index": 0, "message": reply, "finish_reason": finish_reason}
        read, written = tokens([request["messages"], request.get("tools", [])]), tokens(reply)
        usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        value = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        return Reply(delay_s=self.delay_s, body=json.dumps({**value, "usage": usage}).encode())

    def client(self, **endpoint: Any) -> EndpointClient:
        """A client of this endpoint that soon takes no for an answer."""
        settings = {"max_attempts": 2, "backoff_base_s": 0.01, "timeout_s": 20, **endpoint}
        config = EndpointConfig(base_url=self.base_url, **settings)
        return EndpointClient("scripted", SamplingConfig(temperature=1.0), config, None)
