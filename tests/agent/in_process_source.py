"""A source of tools that are plain Python functions of the test's own, run where the test runs."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from octupus.agent.tools.status import Status
from octupus.agent.tools.toolbox import State, ToolEntry, ToolResult
from octupus.conversation import FunctionDefinition, Tool, json_text

Function = Callable[[dict[str, Any], Any], Any]
"""Takes arguments and the state, which it may change in place, and gives a JSON value; a ValueError is the tool's."""


def tool(name: str, description: str = "", **properties: str | dict[str, Any]) -> Tool:
    """A tool whose properties, by name, are types or schemas; all are required."""
    schemas = {key: {"type": value} if isinstance(value, str) else value for key, value in properties.items()}
    parameters = {
        "type": "object",
        "properties": schemas,
        "required": list(schemas),
        "additionalProperties": False,
    }
    return Tool(function=FunctionDefinition(name=name, description=description or name, parameters=parameters))


class InProcessSource:
    """Tools by their functions. A function that raises leaves the state as it was."""

    def __init__(
        self,
        functions: Mapping[str, tuple[Tool, Function]],
        initial: Callable[[int], State] = lambda seed: {},
        restorable: bool = True,
        collection: str = "in_process",
        category: str = "",
    ) -> None:
        self._functions = dict(functions)
        self._initial = initial
        self._restorable = restorable
        self._entries = [ToolEntry(tool, category, collection, name) for name, (tool, _) in functions.items()]
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.closed = False

    @classmethod
    def of(cls, *functions: tuple[Tool, Function], **options: Any) -> "InProcessSource":
        """The source of tools, each with its function."""
        return cls({tool.function.name: (tool, function) for tool, function in functions}, **options)

    @property
    def entries(self) -> Sequence[ToolEntry]:
        return self._entries

    @property
    def restorable(self) -> bool:
        return self._restorable

    async def initial_state(self, seed: int) -> State:
        return self._initial(seed)

    async def call(self, name: str, arguments: Mapping[str, Any], state: State) -> tuple[ToolResult, State]:
        self.calls.append((name, dict(arguments)))
        after = copy.deepcopy(state)
        try:
            value = self._functions[name][1](dict(arguments), after)
        except ValueError as error:
            return ToolResult(Status.TOOL_ERROR, str(error)), state
        return ToolResult(Status.OK, json_text(value)), after

    async def close(self) -> None:
        self.closed = True
