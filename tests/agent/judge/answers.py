"""Small converted answers for tests."""

import json
from pathlib import Path
from typing import Any

from octupus.agent.judge.converted import ConvertedAnswer, converted_answer


def node(role: str, message: Any, *children: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "message": message, "next": list(children)}


def call(name: str, arguments: Any, response: str = "{}") -> dict[str, Any]:
    return {"name": name, "arguments": json.dumps(arguments), "response": response}


def finish(text: str | None, kind: str = "give_answer") -> dict[str, Any]:
    return {"return_type": kind, **({} if text is None else {"final_answer": text})}


def chain(messages: list[tuple[str, Any]]) -> dict[str, Any]:
    below: list[dict[str, Any]] = []
    for role, message in reversed(messages):
        below = [node(role, message, *below)]
    return below[0]


def entry(
    text: str | None = "It is 7.",
    query: str = "What is it?",
    calls: tuple[dict[str, Any], ...] = (),
    finished: bool = True,
    kind: str = "give_answer",
) -> dict[str, Any]:
    """An entry of a converted file: system, user, the calls, and Finish if it is `finished`."""
    arguments = finish(text, kind)
    messages: list[tuple[str, Any]] = [("system", ""), ("user", query), *(("tool", made) for made in calls)]
    if finished:
        messages.append(("tool", call("Finish", arguments)))
    answer = {
        "method": "CoT@1",
        "total_steps": len(messages),
        "final_answer": json.dumps(arguments) if finished else "",
        "answer_details": [chain(messages)],
    }
    return {"query": query, "available_tools": [{"name": "look"}, {"name": "book"}], "answer": answer}


def answer(query_id: str = "1", state: dict[str, Any] | None = None, **settings: Any) -> ConvertedAnswer:
    return converted_answer(query_id, entry(**settings), "test", state)


def write(path: Path, entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps(entries))
    return path
