"""BFCL's ground truth turned into tool calls: possible answers for single turns, Python call strings for multi turn.

The rules answered to are those of bfcl-eval's `eval_checker`: `ast_eval/ast_checker.py` and
`multi_turn_eval/multi_turn_checker.py`.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bfcl_oracle.source_syntax import java_source, javascript_source

Function = Mapping[str, Any]
"""A tool's `function` object: name, description, parameters."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the ground truth. `positional` values get their names from the tool's schema, when it is known."""

    name: str
    arguments: Mapping[str, Any]
    positional: tuple[Any, ...] = field(default=())

    def named(self, functions: Sequence[Function]) -> dict[str, Any]:
        """All arguments by name; positional ones take the first names in the order of the tool's properties."""
        if not self.positional:
            return dict(self.arguments)
        names = next(list(each["parameters"]["properties"]) for each in functions if each["name"] == self.name)
        return dict(zip(names, self.positional, strict=False)) | dict(self.arguments)


def wire_name(name: str) -> str:
    """A function's name as BFCL sends it: OpenAI admits no dot (`convert_to_tool`)."""
    return name.replace(".", "_")


def single_turn_call(truth: Mapping[str, Mapping[str, list[Any]]], function: Function, language: str) -> Call:
    """The call that `truth`, {name: {argument: admissible values}}, asks for.

    `language` is python, java or javascript; in the last two every argument is a string in source syntax.
    """
    [(name, admissible)] = truth.items()
    properties = function["parameters"]["properties"]
    required = function["parameters"].get("required", ())
    arguments = {
        argument: _spelled(_chosen(values, schema), schema, language)
        for argument, values in admissible.items()
        # A few answers of the live set name an argument that the tool does not have; the checker refuses it if sent.
        if (schema := properties.get(argument)) and (argument in required or "" not in values)
    }
    return Call(wire_name(name), arguments)


def multi_turn_call(source: str) -> Call:
    """A call such as `grep(file_name='a.txt', pattern='b')`, read as a literal and never evaluated.

    Raises ValueError for anything but one call of a plain name with literal arguments.
    """
    call = ast.parse(source.strip(), mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError(f"not a call of a plain name: {source}")
    named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg is not None}
    return Call(call.func.id, named, tuple(ast.literal_eval(value) for value in call.args))


def any_call(function: Function) -> Call:
    """Some call of this tool with its required arguments: relevance asks for a call and looks at nothing else."""
    parameters = function.get("parameters") or {}
    properties = parameters.get("properties", {})
    return Call(
        function["name"], {name: _placeholder(properties.get(name, {})) for name in parameters.get("required", ())}
    )


def _chosen(values: Sequence[Any], schema: Mapping[str, Any]) -> Any:
    """The first admissible value that is not "", which marks an argument as optional.

    The admissible values of a dict are one level deeper, `{key: [values]}`, and so are those in a list of dicts.
    """
    value = _first(values)
    if isinstance(value, dict):
        return _chosen_entries(value)
    if isinstance(value, list) and (schema.get("items") or {}).get("type") == "dict":
        return [_chosen_entries(each) if isinstance(each, dict) else each for each in value]
    return value


def _chosen_entries(admissible: Mapping[str, list[Any]]) -> dict[str, Any]:
    return {key: _first(values) for key, values in admissible.items() if "" not in values}


def _first(values: Sequence[Any]) -> Any:
    return next((value for value in values if value != ""), "")


def _spelled(value: Any, schema: Mapping[str, Any], language: str) -> Any:
    if language == "java":
        return java_source(value, schema)
    return javascript_source(value, schema) if language == "javascript" else value


def _placeholder(schema: Mapping[str, Any]) -> Any:
    if schema.get("enum"):
        return schema["enum"][0]
    empty = {"integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {}}
    return empty.get(schema.get("type", "string"), "text")
