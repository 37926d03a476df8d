"""BFCL v4's items, read from an installed bfcl-eval: each turn's prompt and the calls that answer it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bfcl_oracle.answers import Call, Function, multi_turn_call, single_turn_call

SINGLE_TURN = (
    *("simple_python", "simple_java", "simple_javascript", "multiple", "parallel", "parallel_multiple", "irrelevance"),
    *("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple", "live_irrelevance", "live_relevance"),
)
MULTI_TURN = ("multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param", "multi_turn_long_context")
CATEGORIES = (*SINGLE_TURN, *MULTI_TURN)
"""Every category but the agentic ones (memory, web search), whose answers need outside services."""

MORE_FUNCTIONS = "I have updated some more functions you can choose from. What about now?"
"""What the harness says in a turn of multi_turn_miss_func that has no message (`constants/default_prompts.py`)."""

Prompt = tuple[tuple[str, str], ...]
"""The (role, content) pairs of a conversation, without the assistant's and the tools' messages."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What is asked in a turn, and the calls that answer it: none means a plain content answer."""

    prompt: Prompt
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the benchmark.

    `functions` are a single-turn item's own, None in multi turn; `held_out` maps a tool to the turn that adds it.
    """

    id: str
    category: str
    turns: tuple[Turn, ...]
    functions: tuple[Function, ...] | None = None
    held_out: Mapping[str, int] = field(default_factory=dict)


def load_items(data: Path, categories: Iterable[str] = CATEGORIES) -> list[Item]:
    """The items of these categories. Raises FileNotFoundError where `data` is no data directory of bfcl-eval."""
    items: list[Item] = []
    for category in categories:
        if category not in CATEGORIES:
            raise ValueError(f"unknown category {category}; one of {', '.join(CATEGORIES)}")
        answers = data / "possible_answer" / f"BFCL_v4_{category}.json"
        # Relevance and irrelevance have no answers: a call or no call is all that is asked.
        truths = {row["id"]: row["ground_truth"] for row in _rows(answers)} if answers.exists() else {}
        read = _multi_turn if category in MULTI_TURN else _single_turn
        items += [read(category, row, truths.get(row["id"], [])) for row in _rows(data / f"BFCL_v4_{category}.json")]
    return items


def prompt_of(messages: Iterable[Mapping[str, Any]]) -> Prompt:
    """The prompt in these messages. The Responses API calls the system role `developer`."""
    return tuple(
        ("system" if message["role"] == "developer" else message["role"], _text(message.get("content")))
        for message in messages
        if message.get("role") in ("system", "developer", "user")
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _single_turn(category: str, row: Mapping[str, Any], truths: Sequence[Mapping[str, Any]]) -> Item:
    functions = {function["name"]: function for function in row["function"]}
    language = category.removeprefix("simple_") if category.startswith("simple_") else "python"
    calls = tuple(single_turn_call(truth, functions[next(iter(truth))], language) for truth in truths)
    prompt = prompt_of(message for turn in row["question"] for message in turn)
    return Item(row["id"], category, (Turn(prompt, calls),), tuple(row["function"]))


def _multi_turn(category: str, row: Mapping[str, Any], truths: Sequence[Sequence[str]]) -> Item:
    turns = tuple(
        Turn(prompt_of(messages) or (("user", MORE_FUNCTIONS),), tuple(map(multi_turn_call, sources)))
        for messages, sources in zip(row["question"], truths, strict=True)
    )
    held_out = {name: int(turn) for turn, names in row.get("missed_function", {}).items() for name in names}
    return Item(row["id"], category, turns, held_out=held_out)


def _text(content: Any) -> str:
    if isinstance(content, list):  # OpenAI's content parts
        return "".join(part.get("text", "") for part in content)
    return content or ""
