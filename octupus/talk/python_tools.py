"""Local tools: the public functions of a Python file that the user names, and what comes of calling them."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from octupus.conversation import json_text
from octupus.errors import ConfigError
from octupus.talk.function_schema import FunctionTool, function_tool


@dataclass(frozen=True)
class Result:
    """What is sent back for a call."""

    text: str
    failed: bool = False


def load_python_tools(file: Path) -> dict[str, FunctionTool]:
    """The tools of a file by name: functions it defines whose names do not begin with an underscore.

    Where the file has `__all__`, only those it lists. The file is run. Raises ConfigError.
    """
    if not file.is_file():
        raise ConfigError(f"{file} does not exist; give a Python file with the functions to call")
    module = _imported(file)
    listed = getattr(module, "__all__", None)
    functions = {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and (name in listed if listed is not None else not name.startswith("_"))
    }
    if not functions:
        raise ConfigError(f"{file} defines no public function")
    try:
        return {function.__name__: function_tool(function) for function in functions.values()}
    except ConfigError as error:
        raise ConfigError(f"{file}: {error} (a name with a leading underscore is no tool)") from error


def run_tool(tool: FunctionTool, arguments: str) -> Result:
    """Call a tool with the JSON text of its arguments. Whatever goes wrong is the result, for the model to read."""
    try:
        values = tool.arguments.validate_json(arguments or "{}")
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}" for each in error.errors())
        return error_result("; ".join(problems))
    try:
        value = _called(tool.function, values)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the user's code may raise anything, and the model is told
        return error_result(f"{type(error).__name__}: {error}")
    if isinstance(value, str):
        return Result(value)
    try:
        return Result(json_text(to_jsonable_python(value)))
    except PydanticSerializationError as error:
        return error_result(f"the tool returned a {type(value).__name__}, which is no JSON: {error}")


def error_result(message: str) -> Result:
    """A result that says what went wrong."""
    return Result(json_text({"error": message}), failed=True)


def _called(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    value = function(**values)
    if inspect.iscoroutine(value):
        return asyncio.run(value)
    return value


def _imported(file: Path) -> ModuleType:
    name = f"octupus_tools_{file.stem}"
    specification = importlib.util.spec_from_file_location(name, file)
    if specification is None or specification.loader is None:
        raise ConfigError(f"{file} is no Python file; its name must end in .py")
    module = importlib.util.module_from_spec(specification)
    # Before it runs, since pydantic and dataclasses look their module up; what lies beside it can be imported.
    sys.modules[name] = module
    sys.path.append(str(file.resolve().parent))
    try:
        specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's file may raise anything
        raise ConfigError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    return module
