"""What must hold of every finished answer, whatever was asked for: the one strong check of the contract tests."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from .asking import FUNCTIONS


def check_chat(completion: Any, asked: dict[str, Any], prompt_tokens: int | None = None) -> None:
    """A whole ChatCompletion, or the fold of a stream, against its request."""
    assert completion.id.startswith("chatcmpl-")
    assert completion.model == asked["model"]
    assert [choice.index for choice in completion.choices] == list(range(asked.get("n") or 1))
    for choice in completion.choices:
        message = choice.message
        assert message.role == "assistant"
        calls = message.tool_calls or []
        for call in calls:
            assert call.type == "function"
        check_calls([(call.id, call.function.name, call.function.arguments) for call in calls], asked)
        assert choice.finish_reason in ({"length", "tool_calls"} if calls else {"length", "stop"})
        assert calls or message.content is not None
        if calls and asked.get("tool_choice", "auto") != "auto" and not _is_allowed_auto(asked["tool_choice"]):
            assert not message.content
        check_content(message.content, asked, _format_of(asked.get("response_format")))
        check_logprobs(choice.logprobs, message.content, asked)
    budget = asked.get("max_completion_tokens") or asked.get("max_tokens")
    usage = completion.usage
    check_usage(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, prompt_tokens)
    assert usage.completion_tokens <= budget * len(completion.choices)


def check_calls(calls: list[tuple[str, str, str]], asked: dict[str, Any]) -> None:
    """Each (id, name, arguments) is one that the request allows; raises AssertionError or jsonschema's error."""
    ids = [call_id for call_id, _, _ in calls]
    assert len(set(ids)) == len(ids)
    assert all(ids)
    allowed, needed = _allowed(asked)
    for _, name, arguments in calls:
        assert name in allowed
        jsonschema.validate(json.loads(arguments), FUNCTIONS[name]["parameters"])
    assert calls or not needed
    assert len(calls) <= (1 if asked.get("parallel_tool_calls") is False else asked.get("max_tool_calls") or 1000)


def check_content(content: str | None, asked: dict[str, Any], schema: dict[str, Any] | None) -> None:
    """What text must be: JSON of a format that was asked for, and free of stop texts."""
    stops = asked.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        assert stop not in (content or "")
    if schema is not None and content:
        jsonschema.validate(json.loads(content), schema)


def check_logprobs(logprobs: Any, content: str | None, asked: dict[str, Any]) -> None:
    """Scores are there when they are asked for, one a token of the content, whose bytes they spell."""
    if not asked.get("logprobs"):
        assert logprobs is None
        return
    scored = logprobs.content or []
    spelled = b"".join(bytes(token.bytes or []) for token in scored)
    # Bytes of broken characters are told as they are and shown as U+FFFD.
    assert spelled.decode("utf-8", "replace").startswith(content or "") or "�" in (content or "")
    for token in scored:
        assert token.logprob <= 0
        assert len(token.top_logprobs) <= asked.get("top_logprobs", 0)
        assert all(top.logprob <= 0 for top in token.top_logprobs)


def check_usage(prompt: int, answer: int, total: int, prompt_tokens: int | None) -> None:
    """Counts that are exact: `prompt_tokens` are those that /tokenize counts."""
    assert answer > 0
    assert total == prompt + answer
    assert prompt_tokens in (None, prompt)


def chat_facts(completion: Any) -> Any:
    """What two answers to the same request and seed must have in common: all but ids, times and cached tokens."""
    usage = completion.usage
    return (
        [
            (
                choice.index,
                choice.finish_reason,
                choice.message.content or None,
                [(call.function.name, call.function.arguments) for call in choice.message.tool_calls or []],
                [
                    (token.token, [top.token for top in token.top_logprobs])
                    for token in (choice.logprobs.content if choice.logprobs else None) or []
                ],
            )
            for choice in completion.choices
        ],
        (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens),
    )


def _allowed(asked: dict[str, Any]) -> tuple[set[str], bool]:
    """Names that may be called, and whether one must be; chat's and Responses' form of `tool_choice`."""
    names = {tool.get("function", tool)["name"] for tool in asked.get("tools") or []}
    choice = asked.get("tool_choice", "auto")
    if isinstance(choice, str):
        return (set() if choice == "none" else names), choice == "required"
    if choice["type"] == "allowed_tools":
        limits = choice.get("allowed_tools", choice)
        return {tool.get("function", tool)["name"] for tool in limits["tools"]}, limits["mode"] == "required"
    return {choice.get("function", choice)["name"]}, True


def _is_allowed_auto(choice: Any) -> bool:
    return isinstance(choice, dict) and choice.get("allowed_tools", choice).get("mode") == "auto"


def _format_of(wanted: dict[str, Any] | None) -> dict[str, Any] | None:
    """The schema that `response_format` or `text.format` asks for."""
    if wanted is None or wanted["type"] == "text":
        return None
    if wanted["type"] == "json_object":
        return {"type": "object"}
    return dict(wanted.get("json_schema", wanted)["schema"])
