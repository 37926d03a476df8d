"""API-Bank's dialogues, one a file: `{"file": name, "lines": [{"role": "User" | "AI" | "API", ...}, ...]}`.

A line of role API is a call with its result: `api_name`, `param_dict`, `result: {output, exception}`. What the AI says
right before a call is the content of the calling message. Calls in a row stay one after the other, each with its
result: in every such pair of the corpus the second needs what the first gave, so none are parallel.

A dialogue does not say what its tools are. A definition comes from the first of these that knows the tool:

- the classes in `apis/*.py` of the API-Bank repository, beside the dialogues or up to two folders above, of which only
  literals are read and nothing is run
- what the corpus's own `ToolSearcher` found in any dialogue of the directory
- all calls in the directory; `meta["tools"]` of a conversation with such a tool is `inferred`

Offered are the tools that the file's name lists and those that are called. Every argument is written as a string; where
the definition says that it is a list or an object, the text is read as such.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from octupus.conversation import Conversation, FunctionDefinition, Tool, json_text
from octupus.data.reasons import Reason
from octupus.data.sources.inferred_tools import infer_tools
from octupus.data.sources.literals import LiteralError, parse_whole_literal
from octupus.data.sources.survey import directory_files
from octupus.data.sources.turns import Call, Turn, build, mapping, sequence, text
from octupus.errors import ConversionError, CorpusError
from octupus.schema.repair import parameters_from_flat
from octupus.schema.validation import InvalidJsonError, parse_json

ROLES = ("User", "AI", "API")
SEARCHER = "ToolSearcher"
LARGEST_PYTHON_FILE = 1 << 20
"""Bytes; larger files are no definition of one tool and are not read."""


@dataclass(frozen=True, slots=True)
class _Definitions:
    tools: Mapping[str, Tool]
    inferred: frozenset[str]
    """The names of those that are drawn from calls."""


def recognises(row: dict[str, Any]) -> bool:
    """Whether the row looks like this format."""
    lines = row.get("lines")
    return (
        "file" in row
        and isinstance(lines, list)
        and bool(lines)
        and all(isinstance(line, dict) and line.get("role") in ROLES for line in lines)
    )


def bind(path: Path) -> Callable[[dict[str, Any]], Conversation]:
    """The converter of a directory of dialogues. Raises CorpusError when there is none."""
    return partial(_convert, definitions=_definitions(path))


def _convert(row: dict[str, Any], definitions: _Definitions) -> Conversation:
    turns: list[Turn] = []
    for position, value in enumerate(sequence(row.get("lines"), "lines")):
        _append(turns, mapping(value, f"line {position}"), f"line {position}", definitions.tools)
    while turns and turns[-1].role in ("user", "tool"):
        turns.pop()
    listed = str(row.get("file")).rpartition("/")[2].partition("-level-")[0].split("-")
    called = [call.name for turn in turns for call in turn.calls]
    offered = [name for name in dict.fromkeys(listed + called) if name in definitions.tools]
    meta = {} if definitions.inferred.isdisjoint(offered) else {"tools": "inferred"}
    return build(turns, [definitions.tools[name] for name in offered], meta)


def read_containers(arguments: Mapping[str, Any], tool: Tool | None) -> dict[str, Any]:
    """The arguments with lists and objects that are written as text, in Python's notation, read as such."""
    properties = tool.function.parameters.get("properties", {}) if tool else {}
    return {name: _container(value, properties.get(name)) for name, value in arguments.items()}


def _container(value: Any, schema: Any) -> Any:
    if not isinstance(value, str) or not isinstance(schema, dict) or schema.get("type") not in ("array", "object"):
        return value
    try:
        read = parse_whole_literal(value)
    except LiteralError:
        return value
    return read if isinstance(read, list | dict) else value


def _append(turns: list[Turn], line: dict[str, Any], where: str, tools: Mapping[str, Tool]) -> None:
    role = line.get("role")
    said = turns[-1] if turns and turns[-1].role == "assistant" and not (turns[-1].calls or turns[-1].problem) else None
    if role == "User":
        turns.append(Turn("user", text(line.get("text"), where)))
    elif role == "AI":
        content = text(line.get("text"), where)
        if said:
            turns[-1] = Turn("assistant", f"{said.content}\n{content}")
        else:
            turns.append(Turn("assistant", content))
    elif role == "API":
        if said:
            turns.pop()
        turns += _called(line, said.content if said else None, where, tools)
    else:
        raise ConversionError(Reason.ROLES_ERROR, f"{where} has the unknown role {role!r}")


def _called(line: dict[str, Any], content: str | None, where: str, tools: Mapping[str, Tool]) -> tuple[Turn, ...]:
    name = line.get("api_name")
    if not isinstance(name, str) or not isinstance(line.get("param_dict"), dict):
        return (Turn("assistant", problem=(Reason.CALL_PARSE_ERROR, f"{where} lacks api_name or param_dict")),)
    result = line.get("result")
    if isinstance(result, dict):
        failed = result.get("exception")
        result = {"exception": failed} if failed is not None else result.get("output")
    shown = result if isinstance(result, str) and result.strip() else json_text(result)
    call = Call(name, read_containers(line["param_dict"], tools.get(name)))
    return Turn("assistant", content, (call,)), Turn("tool", shown, tool_name=name)


@lru_cache(maxsize=8)
def _definitions(directory: Path) -> _Definitions:
    if not directory.is_dir():
        raise CorpusError(f"API-Bank is a directory of dialogues, and {directory} is none; correct the source's path")
    lines = [line for file in directory_files(directory) for line in _calling_lines(file)]
    tools = {tool.function.name: tool for tool in infer_tools((line["api_name"], line["param_dict"]) for line in lines)}
    described: dict[str, Tool] = {}
    for line in lines:
        if line["api_name"] == SEARCHER and isinstance(line.get("result"), dict):
            found = line["result"].get("output")
            for definition in found if isinstance(found, list) else [found]:
                _describe(described, definition)
    for place in (directory.absolute(), *directory.absolute().parents[:2]):
        for file in sorted((place / "apis").glob("*.py")):
            for definition in _class_literals(file):
                _describe(described, definition)
    return _Definitions(tools | described, frozenset(tools) - frozenset(described))


def _describe(described: dict[str, Tool], definition: Any) -> None:
    """Put down a definition in API-Bank's terms; none is read from what is no such definition."""
    if not isinstance(definition, dict):
        return
    name, description = definition.get("name"), definition.get("description")
    parameters = definition.get("input_parameters")
    if isinstance(name, str) and isinstance(description, str) and isinstance(parameters, dict):
        function = FunctionDefinition(
            name=name, description=description, parameters=parameters_from_flat(parameters, None)
        )
        described[name] = Tool(function=function)


def _calling_lines(file: Path) -> Iterator[dict[str, Any]]:
    """The readable lines of role API. What is wrong with others is said when the dialogue is read."""
    for line in file.read_text("utf-8-sig", errors="replace").split("\n"):
        try:
            value = parse_json(line)
        except InvalidJsonError:
            continue
        if not isinstance(value, dict) or not isinstance(value.get("api_name"), str):
            continue
        if isinstance(value.get("param_dict"), dict):
            yield value


def _class_literals(file: Path) -> Iterator[dict[str, Any]]:
    """Each class of a Python file with the attributes whose values are literals. The file is parsed, never run."""
    if file.stat().st_size > LARGEST_PYTHON_FILE:
        return
    try:
        body = ast.parse(file.read_bytes()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield {"name": node.name, **_literals(node)}


def _literals(node: ast.ClassDef) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            try:
                values[statement.targets[0].id] = ast.literal_eval(statement.value)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                continue
    return values
