"""The library's modules run where the test runs: the same functions and schemas, without a process for each call."""

import copy
import importlib.util
import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any

from octupus.agent.generate.library import Library
from octupus.agent.library.catalogue import MODULES, path_of
from octupus.agent.tools.signature import signature_of
from octupus.agent.tools.status import Status
from octupus.agent.tools.toolbox import State, ToolEntry, ToolResult
from octupus.conversation import FunctionDefinition, Tool, json_text


class ModuleSource:
    """One module; calls run on copies of the state."""

    restorable = True

    def __init__(self, name: str) -> None:
        self._module = _loaded(name)
        functions = {
            key: value
            for key, value in vars(self._module).items()
            if inspect.isfunction(value) and not key.startswith("_") and value.__module__ == self._module.__name__
        }
        self._initial = functions.pop("initial_state", None)
        self._signatures = {key: signature_of(function) for key, function in functions.items()}
        self._entries = [
            ToolEntry(
                Tool(function=FunctionDefinition(name=key, description=each.description, parameters=each.parameters)),
                getattr(self._module, "CATEGORY", ""),
                name,
                key,
            )
            for key, each in self._signatures.items()
        ]

    @property
    def entries(self) -> Sequence[ToolEntry]:
        return self._entries

    async def initial_state(self, seed: int) -> State:
        return self._initial(seed) if self._initial is not None else None

    async def call(self, name: str, arguments: Mapping[str, Any], state: State) -> tuple[ToolResult, State]:
        signature, after = self._signatures[name], copy.deepcopy(state)
        given = signature.values(arguments) | ({"state": after} if signature.stateful else {})
        try:
            value = getattr(self._module, name)(**given)
        except ValueError as error:
            return ToolResult(Status.TOOL_ERROR, f"ValueError: {error}"), state
        return ToolResult(Status.OK, json_text(value)), after

    async def close(self) -> None:
        return


@cache
def _loaded(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"library_{name}", path_of(name))
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def in_process_library(*modules: str) -> Library:
    """The modules of these names, or all of them."""
    return Library({name: ModuleSource(name) for name in modules or MODULES})
