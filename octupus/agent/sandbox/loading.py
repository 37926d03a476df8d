"""Importing a module of tools and telling what its functions are. Standard library only; runs confined."""

from __future__ import annotations

import contextvars
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from octupus.agent.tools.signature import Signature, UnusableFunctionError, signature_of

LONGEST_MESSAGE = 1000
"""Characters of what an exception says."""
INITIAL_STATE = "initial_state"
"""The function that gives the state that everything begins with, if the module has one."""


class LoadError(Exception):
    """The module cannot be used; the message says why."""


@dataclass
class Loaded:
    """A module ready to be called."""

    functions: dict[str, Callable[..., Any]]
    signatures: dict[str, Signature]
    """Of the described functions; empty where they are known by name alone."""
    described: dict[str, Any]
    """What octupus is told: tools, category, whether there is a state."""
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    """Context variables as the import left them."""


def load(module: str, paths: list[str], describe: bool) -> Loaded:
    """Import a dotted name, or the file of an absolute path. Raises LoadError."""
    sys.path[:] = paths
    # Modules that octupus's own parts brought in stay; the module may come from where octupus looks for its own.
    importlib.invalidate_caches()
    try:
        imported = _import_file(module) if Path(module).is_absolute() else _import_name(module)
    except BaseException as error:  # noqa: BLE001  foreign code may raise anything, SystemExit too
        raise LoadError(f"its import failed: {said(error)}") from None
    try:
        return _look_at(imported, describe)
    except UnusableFunctionError as error:
        raise LoadError(str(error)) from None
    except Exception as error:  # noqa: BLE001  annotations and defaults are foreign code too
        raise LoadError(f"its functions cannot be described: {said(error)}") from None


def said(error: BaseException) -> str:
    """The exception's type and message, the message cut where it is long."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  the exception's class is foreign
        message = ""
    if len(message) > LONGEST_MESSAGE:
        message = message[:LONGEST_MESSAGE] + "..."
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _import_name(name: str) -> ModuleType:
    package = name.partition(".")[0]
    if package not in sys.modules and importlib.util.find_spec(package) is None:
        # The directory that it stands in may not be listed, as finding it takes, while the package may be read.
        for path in sys.path:
            init = Path(path) / package / "__init__.py"
            file = init if init.exists() else Path(path) / f"{package}.py"
            if file.exists():
                _import_at(file, package, [str(init.parent)] if file == init else None)
                break
    return importlib.import_module(name)


def _import_file(path: str) -> ModuleType:
    # A name of its own: a tool's file may be called calendar.py, and the standard library has a module of that name.
    name = f"tools_{Path(path).stem}"
    return _import_at(Path(path), name, None)


def _import_at(path: Path, name: str, package: list[str] | None) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=package)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    imported = importlib.util.module_from_spec(spec)
    sys.modules[name] = imported
    spec.loader.exec_module(imported)
    return imported


def _look_at(module: ModuleType, describe: bool) -> Loaded:
    functions = _public_functions(module)
    initial = functions.pop(INITIAL_STATE, None)
    signatures = {name: signature_of(function) for name, function in functions.items()} if describe else {}
    category = getattr(module, "CATEGORY", "")
    described = {
        "tools": [{"name": name, **signature.described()} for name, signature in signatures.items()],
        "category": category if isinstance(category, str) else "",
        "initial_state": initial is not None,
    }
    if initial is not None:
        functions[INITIAL_STATE] = initial
    return Loaded(functions, signatures, described)


def _public_functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """What `__all__` names, or else what the module itself defines without an underscore, in the source's order."""
    named = getattr(module, "__all__", None)
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and (name in named if named is not None else not name.startswith("_") and value.__module__ == module.__name__)
    }
