"""Requests that the serving benchmarks send, and how an answer, streamed or whole, is read and judged.

An answer is reduced to what a client acts on, {"text", "calls": [[name, arguments], ...], "reason"}, so that a streamed
one, a whole one and one of another run can be compared.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import jsonschema

MODEL_ID = "octupus"
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
FUNCTION = {"name": "get_weather", "description": "Weather of a city.", "parameters": SCHEMA}


def questions(max_tokens: int, variants: int = 1) -> list[dict[str, Any]]:
    """Requests of every kind: {"route", "body", "greedy", "tools"}.

    Both APIs, streamed and whole, a call required or no tools, greedy and with a seed; `variants` of each, with prompts
    of their own.
    """
    kinds = itertools.product(("chat/completions", "responses"), (True, False), (True, False), (True, False))
    made = []
    for number, (variant, kind) in enumerate(itertools.product(range(variants), kinds)):
        route, stream, tools, greedy = kind
        body: dict[str, Any] = {"model": MODEL_ID, "stream": stream, "seed": number}
        body["temperature"] = 0.0 if greedy else 1.0
        text = f"Question {number}, of kind {number % 16} and variant {variant}: what is the weather in Paris?"
        if route == "responses":
            body |= {"input": text, "max_output_tokens": max_tokens}
            tool = {"type": "function", "strict": True} | FUNCTION
        else:
            body |= {"messages": [{"role": "user", "content": text}], "max_tokens": max_tokens}
            tool = {"type": "function", "function": FUNCTION}
        if tools:
            body |= {"tools": [tool], "tool_choice": "required"}
        made.append({"route": route, "body": body, "greedy": greedy, "tools": tools})
    return made


def invalid_calls(answer: dict[str, Any]) -> int:
    """How many calls of an answer a client could not act on."""
    invalid = 0
    for name, arguments in answer["calls"]:
        try:
            jsonschema.validate(json.loads(arguments), SCHEMA)
        except (ValueError, jsonschema.ValidationError):
            invalid += 1
        else:
            invalid += name != FUNCTION["name"]
    return invalid


def whole_answer(route: str, value: dict[str, Any]) -> dict[str, Any]:
    """The answer that came as one JSON document."""
    if route == "responses":
        return _of_response(value)
    choice = value["choices"][0]
    calls = choice["message"].get("tool_calls") or ()
    return {
        "text": choice["message"]["content"] or "",
        "calls": [[call["function"]["name"], call["function"]["arguments"]] for call in calls],
        "reason": choice["finish_reason"],
    }


class StreamedAnswer:
    """Reads server-sent events line by line.

    `ending` tells how the stream ended so far: `whole` when it was finished by all rules of its protocol, `error` when
    the server told of an error, `broken rule` when something came that must not, and `open` otherwise: a connection
    that ends in this state has been cut, or, if it was ended in good order, lies about the answer.
    """

    def __init__(self, route: str) -> None:
        self._responses = route == "responses"
        self._text = ""
        self._calls: dict[int, list[str]] = {}
        self._reason: str | None = None
        self._response: dict[str, Any] | None = None
        self.ending = "open"
        self.error: str | None = None
        self.events = 0

    @property
    def answer(self) -> dict[str, Any]:
        """What has come."""
        if self._response is not None:
            return _of_response(self._response)
        return {"text": self._text, "calls": list(self._calls.values()), "reason": self._reason}

    def line(self, line: str) -> None:
        """Take one line without its end."""
        if not line.startswith("data: "):
            return
        self.events += 1
        if self.ending != "open":
            if not self._failed_response(line):
                self.ending, self.error = "broken rule", f"{line[:200]!r} after the {self.ending} end"
            return
        if line == "data: [DONE]":
            self.ending = "whole" if self._reason is not None else "broken rule"
            return
        value = json.loads(line[6:])
        (self._response_event if self._responses else self._chunk)(value)

    def _failed_response(self, line: str) -> bool:
        """Whether this is the response as it failed, which follows an `error` event of Responses."""
        if not self._responses or self.ending != "error" or line == "data: [DONE]":
            return False
        return bool(json.loads(line[6:])["type"] == "response.failed")

    def _chunk(self, chunk: dict[str, Any]) -> None:
        if "error" in chunk:
            self.ending, self.error = "error", chunk["error"]["message"]
            return
        for choice in chunk["choices"]:
            delta = choice["delta"]
            self._text += delta.get("content") or ""
            for call in delta.get("tool_calls") or ():
                parts = self._calls.setdefault(call["index"], ["", ""])
                parts[0] += call["function"].get("name") or ""
                parts[1] += call["function"].get("arguments") or ""
            self._reason = choice.get("finish_reason") or self._reason

    def _response_event(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "response.output_text.delta":
            self._text += event["delta"]
        elif kind in ("response.completed", "response.incomplete"):
            self._response, self.ending = event["response"], "whole"
        elif kind in ("response.failed", "error"):
            failure = event.get("response", event).get("error") or event
            self.ending, self.error = "error", failure.get("message")


def _of_response(response: dict[str, Any]) -> dict[str, Any]:
    text = "".join(
        part["text"]
        for item in response["output"]
        if item["type"] == "message"
        for part in item["content"]
        if part["type"] == "output_text"
    )
    calls = [[item["name"], item["arguments"]] for item in response["output"] if item["type"] == "function_call"]
    details = response.get("incomplete_details")
    return {"text": text, "calls": calls, "reason": details["reason"] if details else response["status"]}
