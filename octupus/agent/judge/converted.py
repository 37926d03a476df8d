"""Answers in ToolEval's converted form, from ToolBench's and StableToolBench's files or from directories of answers.

A file holds {query id: {query, available_tools, answer: {method, total_steps, final_answer, answer_details}}}, where
answer_details is a tree of {role, message, next}. ToolBench's own evaluation set keeps the tool messages as Python's
repr cut at 100 characters: the called name can be read there, the arguments and the response only in part.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from octupus.conversation import Role, json_text
from octupus.errors import EvaluationError

FINISH = "Finish"
_ROLES = frozenset(get_args(Role))
_LITERAL = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_NAME = re.compile(rf"\{{\s*'name':\s*({_LITERAL})")
_CUT_NAME = re.compile(r"""\{\s*'name':\s*['"](.*)""", re.DOTALL)
_ARGUMENTS = re.compile(rf"\s*,\s*'arguments':\s*({_LITERAL})")
_LONGEST_REPR = 1_000_000
_WANTED: Mapping[type, str] = {list: "list", dict: "object", str: "text"}


@dataclass(frozen=True, slots=True)
class Step:
    """One node of answer_details."""

    role: Role
    text: str
    """The message; of a tool node as the file has it."""
    name: str = ""
    """The called tool; of other roles empty."""
    name_cut: bool = False
    """Whether the file cuts the name, so that only its beginning is known."""
    arguments: str | None = None
    """The call's arguments as JSON text; None where the file cuts them off."""
    response: str | None = None
    """What the tool answered; None where the file cuts it off."""


@dataclass(frozen=True, slots=True)
class ConvertedAnswer:
    """An answer to a query, and how it came about."""

    query_id: str
    query: str
    available_tools: tuple[Mapping[str, Any], ...]
    method: str
    final_answer: str
    """The arguments of `Finish` as JSON text; empty when there was no answer."""
    steps: tuple[Step, ...]
    """Every node of the tree, a parent before its children."""
    chain: tuple[Step, ...]
    """The nodes from the root along first children, which is what ToolBench judges."""
    state: Mapping[str, Any] | None = None
    """The environment's state at the end; only answers that octupus made have one."""

    @property
    def tool_names(self) -> frozenset[str]:
        """The names that could be called."""
        return frozenset(_tool_name(tool) for tool in self.available_tools) | {FINISH}

    @property
    def calls(self) -> Iterator[Step]:
        """The tool nodes of the whole tree."""
        return (step for step in self.steps if step.role == "tool")

    @property
    def finished(self) -> bool:
        """Whether the last tool node of the chain is a call of `Finish`."""
        last = next((step for step in reversed(self.chain) if step.role == "tool"), None)
        return last is not None and last.name == FINISH

    @property
    def gave_up(self) -> bool:
        """Whether `Finish` was called to give up."""
        finish = _finish_arguments(self.final_answer)
        if finish is not None and "return_type" in finish:
            return bool(finish["return_type"] == "give_up_and_restart")
        return "give_up_and_restart" in self.final_answer

    @property
    def answer_text(self) -> str:
        """What the user is told; empty when nothing is."""
        finish = _finish_arguments(self.final_answer)
        if finish is None:
            return self.final_answer.strip()
        told = finish.get("final_answer", "")
        return told.strip() if isinstance(told, str) else json_text(told)


def read_answers(path: Path) -> dict[str, ConvertedAnswer]:
    """The answers by query id: of a converted file, or of a directory of {query_id}_{method}.json answer files.

    Raises EvaluationError that names the file, the query and the place of what is wrong.
    """
    if path.is_dir():
        from octupus.agent.judge.answer_files import read_answer_directory

        return read_answer_directory(path)
    value = load_json(path)
    if not isinstance(value, dict):
        raise EvaluationError(f"{path} holds {_kind(value)} and no object of answers by query id")
    return {query_id: converted_answer(query_id, entry, str(path)) for query_id, entry in value.items()}


def converted_answer(query_id: str, entry: Any, origin: str, state: Mapping[str, Any] | None = None) -> ConvertedAnswer:
    """One entry of a converted file, checked. Raises EvaluationError; `origin` says in it where the entry is from."""
    origin = f"{origin}: query {query_id}"
    tools = _member(entry, "available_tools", list, origin)
    for number, tool in enumerate(tools):
        if not isinstance(tool, dict) or not isinstance(_tool_name(tool), str):
            raise EvaluationError(f"{origin}: available_tools[{number}] has no name")
    answer = _member(entry, "answer", dict, origin)
    inside = f"{origin}: answer"
    steps = list(_walk(_member(answer, "answer_details", list, inside), inside))
    return ConvertedAnswer(
        query_id=query_id,
        query=_member(entry, "query", str, origin),
        available_tools=tuple(tools),
        method=_member(answer, "method", str, inside),
        final_answer=_member(answer, "final_answer", str, inside),
        steps=tuple(step for step, _ in steps),
        chain=tuple(step for step, in_chain in steps if in_chain),
        state=state,
    )


def load_json(path: Path) -> Any:
    """The file's JSON value. Raises EvaluationError when there is none, or when an object has a key twice."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique)
    except FileNotFoundError as error:
        raise EvaluationError(f"{path} does not exist") from error
    except RecursionError as error:
        raise EvaluationError(f"{path} is nested too deeply to be read") from error
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{path} is no JSON file: {error}") from error


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands; written out only for an error, since a long chain has a long place."""

    index: int
    parent: _Place | None

    def __str__(self) -> str:
        indices = []
        place: _Place | None = self
        while place is not None:
            indices.append(place.index)
            place = place.parent
        first, *others = reversed(indices)
        return f"answer_details[{first}]" + "".join(f".next[{index}]" for index in others)


def _walk(roots: list[Any], origin: str) -> Iterator[tuple[Step, bool]]:
    """Every node, and whether it is on the chain of first children; no recursion, whatever the tree's depth."""
    waiting = [(node, _Place(index, None), index == 0) for index, node in enumerate(roots)][::-1]
    while waiting:
        node, place, in_chain = waiting.pop()
        try:
            yield _step(node), in_chain
            children = _member(node, "next", list, "the node")
        except EvaluationError as error:
            raise EvaluationError(f"{origin}.{place}: {error}") from error
        waiting += [(child, _Place(index, place), in_chain and index == 0) for index, child in enumerate(children)][
            ::-1
        ]


def _step(node: Any) -> Step:
    role = _member(node, "role", str, "the node")
    if role not in _ROLES:
        raise EvaluationError(f"role {role!r} is none of {', '.join(sorted(_ROLES))}")
    message = node.get("message")
    if role == "tool":
        return _tool_step(message)
    if not isinstance(message, str):
        raise EvaluationError(f"message is {_kind(message)} and no text")
    return Step(role=role, text=message)


def _tool_step(message: Any) -> Step:
    text = message if isinstance(message, str) else json_text(message)
    call = message if isinstance(message, dict) else _parsed(text)
    if call is None:
        return _cut_step(text)
    name = call.get("name")
    if not isinstance(name, str):
        raise EvaluationError("a tool message has no name")
    return Step(
        role="tool", text=text, name=name, arguments=_text(call.get("arguments")), response=_text(call.get("response"))
    )


def _parsed(text: str) -> dict[str, Any] | None:
    """A tool message written as JSON or as Python's repr; None when it is neither, such as one that is cut."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            # Reads literals only. Bounded, since a long hostile text could exhaust its parser.
            value = ast.literal_eval(text) if len(text) <= _LONGEST_REPR else None
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return None
    return value if isinstance(value, dict) else None


def _cut_step(text: str) -> Step:
    found = _NAME.match(text)
    if found:
        arguments = _ARGUMENTS.match(text, found.end())
        return Step(
            role="tool",
            text=text,
            name=str(ast.literal_eval(found[1])),
            arguments=str(ast.literal_eval(arguments[1])) if arguments else None,
        )
    cut = _CUT_NAME.match(text)
    if cut:
        return Step(role="tool", text=text, name=cut[1], name_cut=True)
    raise EvaluationError(f"no name can be read from the tool message {text[:80]!r}")


def _finish_arguments(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text, strict=False)  # models write line breaks into JSON strings
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _tool_name(tool: Mapping[str, Any]) -> Any:
    """Flat as in ToolBench, or below `function` as OpenAI has it."""
    inner = tool.get("function")
    return inner.get("name") if isinstance(inner, dict) else tool.get("name")


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json_text(value)


def _member(value: Any, name: str, kind: type, origin: str) -> Any:
    if not isinstance(value, dict):
        raise EvaluationError(f"{origin} is {_kind(value)} and no object")
    if name not in value:
        raise EvaluationError(f"{origin} has no {name!r}")
    if not isinstance(value[name], kind):
        raise EvaluationError(f"{origin}: {name!r} is {_kind(value[name])} and no {_WANTED[kind]}")
    return value[name]


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise ValueError(f"key {twice!r} is written twice")
    return value
