"""Writes the small synthetic corpora on which `octupus quickstart` trains a model from random weights.

The task is real but its language is small: each conversation shows one to four tools, a request in
English or Chinese names values in plain words, and the answer is the right call with the values copied, two
calls, a short text when the user only chats, or a short text that copies a value out of a tool's result. Many
conversations ask several things in turn, since most of a prompt is schema. Half of the chat is echo tasks, which
teach copying; without them the arguments of calls stay wrong. Requests for a tool that is not shown are left out: two
models of this size, trained for minutes with such examples, answered none of 24 of them right.

Everything is a pure function of the seed. A fixed eighth of all (tool, arguments) pairs, chosen by
checksum, is held out: training conversations never use them and `held_out_requests` uses nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from random import Random
from typing import Any

from octupus.evaluate.held_out import HeldOutRequest
from octupus.quickstart.synthetic_chat import draw_echo, draw_small_talk
from octupus.quickstart.synthetic_requests import (
    HELD_OUT_SHARE,
    Request,
    draw_request,
    draw_value,
    join_requests,
)
from octupus.quickstart.synthetic_tools import TOOLS, TOOLS_BY_NAME, Parameter, ToolSpec
from octupus.quickstart.synthetic_values import LANGUAGES

__all__ = [
    "BAD_ROWS",
    "CALLS_SHARES",
    "ECHO_SHARE",
    "HELD_OUT_SHARE",
    "CorpusFiles",
    "HeldOutRequest",
    "KindCounts",
    "conversations",
    "held_out_requests",
    "write_corpora",
]

BAD_ROWS: dict[str, dict[str, int]] = {
    "chat": {"duplicate": 4, "unknown_tool": 2, "missing_argument": 2},
    "calls": {"duplicate": 4, "unknown_tool": 3, "missing_argument": 3},
}
"""Rows added on purpose to each corpus so that the pipeline has something to drop."""

CALLS_SHARES: dict[str, float] = {
    "single": 0.2,
    "parallel": 0.15,
    "no_call": 0.15,
    "result_then_answer": 0.1,
    "multi_turn": 0.4,
}
"""The mix of kinds in the calls corpus."""

ECHO_SHARE = 0.5
"""The share of echo tasks in the chat corpus."""

_DONE = {"en": "Done.", "zh": "好了。"}
_ANSWERS = {"en": "The {label} is {value}.", "zh": "{label}是 {value}。"}
_SYSTEM = {"en": "You are a helpful assistant.", "zh": "你是一个助手。"}
_SYSTEM_SHARE = 0.1
_SHOWN_WEIGHTS = (25, 35, 25, 15)
_TURN_WEIGHTS = (70, 15, 15)


@dataclass(frozen=True)
class KindCounts:
    """How many conversations of each kind to make."""

    chat: int = 0
    single: int = 0
    parallel: int = 0
    no_call: int = 0
    result_then_answer: int = 0
    multi_turn: int = 0

    @classmethod
    def of_calls(cls, total: int) -> KindCounts:
        """`total` conversations with tools, mixed by `CALLS_SHARES`; rounding goes to `single`."""
        counts = {kind: int(total * share) for kind, share in CALLS_SHARES.items()}
        counts["single"] += total - sum(counts.values())
        return cls(**counts)


@dataclass(frozen=True)
class CorpusFiles:
    """Where the two corpora were written and how many rows each holds, bad rows included."""

    chat: Path
    """A ShareGPT JSON array."""
    calls: Path
    """OpenAI messages, one JSON object a line."""
    chat_rows: int
    calls_rows: int


def conversations(counts: KindCounts, seed: int, attempts: int = 1000) -> Iterator[dict[str, Any]]:
    """Yield good conversations, shuffled: `messages`, `tools` (OpenAI shapes), `kind` and `language`.

    No two are equal: after `attempts` draws without a new one it raises. None uses a held-out
    (tool, arguments) pair.
    """
    random = Random(f"train {seed}")
    kinds = [field.name for field in fields(counts) for _ in range(getattr(counts, field.name))]
    random.shuffle(kinds)
    seen: set[str] = set()
    for kind in kinds:
        for _ in range(attempts):
            conversation = _conversation(random, kind)
            key = _json([conversation["messages"], conversation["tools"]])
            if key not in seen:
                break
        else:
            raise RuntimeError(f"no new conversation of kind {kind} in {attempts} draws: ask for fewer")
        seen.add(key)
        yield conversation


def held_out_requests(seed: int, count: int) -> list[HeldOutRequest]:
    """Make the evaluation set: 60 % single, 20 % parallel, 20 % no_call, both languages by turns.

    Held out by construction: every (tool, arguments) pair asked for here lies in the eighth of all pairs
    that training never draws from, so neither the request's text nor its combination of argument values
    occurs in training, whatever the two seeds are. Small talk, which is what `no_call` asks, is split by its text in
    the same way. Single values (a city, a name), tools and templates do occur.
    """
    random = Random(f"held out {seed}")
    pattern = ("single", "parallel", "single", "no_call", "single")
    requests: list[HeldOutRequest] = []
    seen: set[str] = set()
    while len(requests) < count:
        kind = pattern[len(requests) % len(pattern)]
        language = LANGUAGES[len(requests) // len(pattern) % len(LANGUAGES)]
        asked = [draw_request(random, language, True) for _ in range(2 if kind == "parallel" else 1)]
        text = join_requests(random, language, asked)
        if kind == "no_call":
            asked, text = [], draw_small_talk(random, language, True)[0]
        if text in seen:
            continue
        seen.add(text)
        requests.append(
            HeldOutRequest(
                messages=_opening(random, language, text),
                tools=_shown(random, language, asked),
                expected_calls=() if kind == "no_call" else tuple((one.tool.name, one.arguments) for one in asked),
                kind=kind,
                language=language,
            )
        )
    return requests


def write_corpora(directory: Path, seed: int, chat: int, calls: int) -> CorpusFiles:
    """Write `chat` and `calls` good conversations, and the rows of `BAD_ROWS`, as two source files."""
    directory.mkdir(parents=True, exist_ok=True)
    random = Random(f"bad rows {seed}")
    chat_rows = [_sharegpt(row) for row in conversations(KindCounts(chat=chat), seed)]
    for row in _bad_rows(random, "chat", _sharegpt, chat_rows):
        chat_rows.insert(random.randrange(len(chat_rows) + 1), row)
    calls_rows = [_openai(row) for row in conversations(KindCounts.of_calls(calls), seed)]
    for row in _bad_rows(random, "calls", _openai, calls_rows):
        calls_rows.insert(random.randrange(len(calls_rows) + 1), row)
    files = CorpusFiles(
        directory / "synthetic_chat.json",
        directory / "synthetic_calls.jsonl",
        len(chat_rows),
        len(calls_rows),
    )
    files.chat.write_text("[\n" + ",\n".join(map(_json, chat_rows)) + "\n]\n", encoding="utf-8")
    files.calls.write_text("".join(_json(row) + "\n" for row in calls_rows), encoding="utf-8")
    return files


# Conversations


def _conversation(random: Random, kind: str) -> dict[str, Any]:
    language = random.choice(LANGUAGES)
    if kind == "chat":
        echo = random.random() < ECHO_SHARE
        question, answer = draw_echo(random, language) if echo else draw_small_talk(random, language, False)
        return _finish([*_opening(random, language, question), _said(answer)], [], kind, language)
    if kind == "multi_turn":
        return _multi_turn(random, language)
    if kind == "no_call":
        question, answer = draw_small_talk(random, language, False)
        messages = [*_opening(random, language, question), _said(answer)]
        return _finish(messages, _shown(random, language, []), kind, language)
    asked = [draw_request(random, language, False) for _ in range(2 if kind == "parallel" else 1)]
    messages = _opening(random, language, join_requests(random, language, asked))
    tools = _shown(random, language, asked)
    messages.append(_called(asked))
    if kind == "result_then_answer":
        messages += _result_and_answer(random, language, asked[0].tool)
    return _finish(messages, tools, kind, language)


def _multi_turn(random: Random, language: str) -> dict[str, Any]:
    """Several requests to the same tools: most of a prompt is schema, so this teaches more calls a token."""
    shown = random.sample(TOOLS, random.choice((1, 2, 2, 3)))
    messages: list[dict[str, Any]] = []
    calls = 0
    for _ in range(random.choice((2, 3))):
        turn = random.choices(("call", "parallel", "talk"), _TURN_WEIGHTS)[0]
        if turn == "talk":
            question, answer = draw_small_talk(random, language, False)
            messages += [*_opening(random, language, question, first=not messages), _said(answer)]
            continue
        asked = [draw_request(random, language, False, shown) for _ in range(2 if turn == "parallel" else 1)]
        messages += _opening(random, language, join_requests(random, language, asked), first=not messages)
        messages.append(_called(asked, calls))
        for index in range(calls, calls + len(asked)):
            messages.append({"role": "tool", "tool_call_id": f"call_{index}", "content": _json({"ok": True})})
        messages.append(_said(_DONE[language]))
        calls += len(asked)
    return _finish(messages, [tool.wrapped(language) for tool in shown], "multi_turn", language)


def _finish(messages: list[dict[str, Any]], tools: list[dict[str, Any]], kind: str, language: str) -> dict[str, Any]:
    return {"messages": messages, "tools": tools, "kind": kind, "language": language}


def _opening(random: Random, language: str, text: str, first: bool = True) -> list[dict[str, Any]]:
    user = {"role": "user", "content": text}
    if first and random.random() < _SYSTEM_SHARE:
        return [{"role": "system", "content": _SYSTEM[language]}, user]
    return [user]


def _said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def _called(asked: list[Request], number: int = 0) -> dict[str, Any]:
    """A message with calls, whose ids count on from `number`."""
    calls = [
        {
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": one.tool.name, "arguments": _json(one.arguments)},
        }
        for index, one in enumerate(asked, number)
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def _result_and_answer(random: Random, language: str, tool: ToolSpec) -> list[dict[str, Any]]:
    key, chinese, kind = tool.result
    if not key:
        return [
            {"role": "tool", "tool_call_id": "call_0", "content": _json({"ok": True})},
            _said(_DONE[language]),
        ]
    value = draw_value(random, language, Parameter(key, kind, high=999))
    answer = _ANSWERS[language].format(label=key if language == "en" else chinese, value=value)
    return [{"role": "tool", "tool_call_id": "call_0", "content": _json({key: value})}, _said(answer)]


def _shown(random: Random, language: str, asked: list[Request]) -> list[dict[str, Any]]:
    """One to four tools in random order, those asked for among them."""
    wanted = list(dict.fromkeys(one.tool.name for one in asked))
    others = [tool for tool in TOOLS if tool.name not in wanted]
    size = max(random.choices(range(1, len(_SHOWN_WEIGHTS) + 1), _SHOWN_WEIGHTS)[0], len(wanted))
    names = wanted + [tool.name for tool in random.sample(others, size - len(wanted))]
    random.shuffle(names)
    return [TOOLS_BY_NAME[name].wrapped(language) for name in names]


# Rows on disk


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _openai(conversation: dict[str, Any]) -> dict[str, Any]:
    return {"messages": conversation["messages"], "tools": conversation["tools"]}


def _sharegpt(conversation: dict[str, Any]) -> dict[str, Any]:
    speakers = {"user": "human", "assistant": "gpt", "system": "system", "tool": "observation"}
    turns: list[dict[str, str]] = []
    for message in conversation["messages"]:
        for call in message.get("tool_calls", ()):
            function = call["function"]
            value = _json({"name": function["name"], "arguments": json.loads(function["arguments"])})
            turns.append({"from": "function_call", "value": value})
        if message["content"] is not None:
            turns.append({"from": speakers[message["role"]], "value": message["content"]})
    return {"conversations": turns, "tools": _json([tool["function"] for tool in conversation["tools"]])}


def _bad_rows(
    random: Random,
    corpus: str,
    convert: Callable[[dict[str, Any]], dict[str, Any]],
    good: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    rows = random.sample(good, min(BAD_ROWS[corpus]["duplicate"], len(good)))
    for defect in ("unknown_tool", "missing_argument"):
        for _ in range(BAD_ROWS[corpus][defect]):
            request = draw_request(random, "en", False)
            while not request.tool.schema()["required"]:
                request = draw_request(random, "en", False)
            tools = _shown(random, "en", [request])
            if defect == "unknown_tool":
                request = Request(ToolSpec("no_such_tool", {}, (), {}), request.arguments, request.text)
            else:
                first = request.tool.schema()["required"][0]
                kept = {name: value for name, value in request.arguments.items() if name != first}
                request = Request(request.tool, kept, request.text)
            messages = [*_opening(random, "en", request.text), _called([request])]
            messages.append({"role": "tool", "tool_call_id": "call_0", "content": _json({"ok": True})})
            messages.append(_said(_DONE["en"]))
            rows.append(convert(_finish(messages, tools, "single", "en")))
    return rows
