"""ToolBench's directory of tools: `<category>/<tool>.json` tells of its APIs, `<category>/<tool>/api.py` runs them.

Both are only read here: the functions of an api.py are found in its syntax tree, never by running it.
"""

from __future__ import annotations

import ast
import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octupus.agent.tools.naming import LONGEST_DESCRIPTION, LONGEST_TOOL_DESCRIPTION, change_name, cut, standardize
from octupus.errors import ConfigError

_NUMBER, _BOOLEAN = "NUMBER", "BOOLEAN"


@dataclass(frozen=True)
class ApiFunction:
    """A function of an api.py."""

    parameters: frozenset[str]
    takes_any: bool
    """Whether it takes further arguments by name."""


@dataclass(frozen=True)
class Api:
    """An API that has a function to run it."""

    name: str
    """As the JSON spells it."""
    function: str
    description: str
    parameters: dict[str, Any]


@dataclass
class ToolBenchTool:
    """A tool of which at least one API can be run."""

    category: str
    name: str
    code: Path
    apis: list[Api] = field(default_factory=list)
    without_function: list[str] = field(default_factory=list)
    """APIs that are left out since api.py has no function of their name."""


def read_tool(description: Path) -> ToolBenchTool | None:
    """The tool of a JSON file; None when it has no api.py. Raises ConfigError when one of the two cannot be read."""
    try:
        document = json.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{description} is no JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("api_list"), list):
        raise ConfigError(f"{description} is no tool of ToolBench: it has no api_list")
    code = description.with_suffix("") / "api.py"
    if not code.is_file():
        return None
    functions = _functions(code)
    name = str(document.get("tool_name") or description.stem)
    tool = ToolBenchTool(description.parent.name, name, code)
    about = cut(str(document.get("tool_description") or ""), LONGEST_TOOL_DESCRIPTION)
    for number, api in enumerate(document["api_list"]):
        if not isinstance(api, dict) or not isinstance(api.get("name"), str):
            raise ConfigError(f"{description}: entry {number} of api_list has no name")
        function = change_name(standardize(api["name"]))
        if function not in functions or any(function == known.function for known in tool.apis):
            tool.without_function.append(api["name"])
            continue
        try:
            parameters = _parameters(api, functions[function])
        except (TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"{description}: the parameters of {api['name']} cannot be read: {error!r}") from error
        says = _description(name, api["name"], about, str(api.get("description") or ""))
        tool.apis.append(Api(api["name"], function, says, parameters))
    return tool


def _description(tool: str, api: str, about: str, text: str) -> str:
    described = f'"{api}" of the tool "{tool}".'
    if text.strip():
        described += f" {cut(text.strip(), LONGEST_DESCRIPTION)}"
    return f"{described}\nThe tool: {about.strip()}" if about.strip() else described


def _functions(code: Path) -> dict[str, ApiFunction]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a wrong escape in somebody's text is not our warning
            tree = ast.parse(code.read_bytes(), filename=str(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{code} is no Python: {error}") from error
    return {
        node.name: ApiFunction(
            frozenset(argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)),
            node.args.kwarg is not None,
        )
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _parameters(api: dict[str, Any], function: ApiFunction) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    for group in ("required_parameters", "optional_parameters"):
        for parameter in api.get(group) or ():
            name = change_name(standardize(parameter["name"]))
            # What the function does not take cannot be given, and of two names that are spelled alike it takes one.
            if name in properties or not (name in function.parameters or function.takes_any):
                continue
            properties[name] = _property(parameter, group == "optional_parameters")
            if group == "required_parameters":
                required.append(name)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _property(parameter: dict[str, Any], optional: bool) -> dict[str, Any]:
    kind, value = str(parameter.get("type", "")).upper(), parameter.get("default")
    if kind == _NUMBER:
        value = _number(value)
        # ToolBench says integer for every number, which refuses the latitudes that its own examples hold.
        schema: dict[str, Any] = {"type": "number" if isinstance(value, float) else "integer"}
    elif kind == _BOOLEAN:
        value = {"true": True, "false": False}.get(str(value).lower())
        schema = {"type": "boolean"}
    else:
        value = value if isinstance(value, str) else None
        schema = {"type": "string"}
    description = str(parameter.get("description") or "").strip()
    if description:
        schema["description"] = cut(description, LONGEST_DESCRIPTION)
    if value is not None and value != "":
        # The default of a required parameter is what RapidAPI fills its form with: an example.
        schema.update({"default": value} if optional else {"examples": [value]})
    return schema


def _number(value: Any) -> int | float | None:
    """A finite number of a default's text: 3 and "3.0" are integers, 3.5 is not."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    if number != number or number in (float("inf"), float("-inf")):
        return None
    return int(number) if number.is_integer() else number
