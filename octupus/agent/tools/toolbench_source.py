"""Tools of a directory as ToolBench lays it out, each tool's api.py in processes that start with its first call."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from octupus.agent.sandbox.process import SandboxProcess
from octupus.agent.tools.config import LimitsConfig
from octupus.agent.tools.naming import ApiKey, model_names
from octupus.agent.tools.selection import selected
from octupus.agent.tools.toolbench_layout import Api, ToolBenchTool, read_tool
from octupus.agent.tools.toolbox import State, ToolEntry, ToolResult
from octupus.conversation import FunctionDefinition, Tool
from octupus.errors import ConfigError
from octupus.telemetry import event

_log = logging.getLogger("octupus.agent.tools")


class ToolBenchSource:
    """The APIs of one tool. They keep no state; what they return is passed on as JSON, as it is."""

    restorable = True

    def __init__(self, process: SandboxProcess, functions: Mapping[str, str], entries: Sequence[ToolEntry]) -> None:
        self._process = process
        self._functions = dict(functions)
        self.entries: Sequence[ToolEntry] = tuple(entries)

    async def initial_state(self, seed: int) -> State:
        """None: these tools keep nothing."""
        return None

    async def call(self, name: str, arguments: Mapping[str, Any], state: State) -> tuple[ToolResult, State]:
        """Run an API in a process of its own."""
        return await self._process.call(self._functions[name], arguments, state, stateful=False)

    async def close(self) -> None:
        """End the tool's process."""
        await self._process.close()


async def toolbench_sources(directory: Path, limits: LimitsConfig, only: Sequence[str] = ()) -> list[ToolBenchSource]:
    """A source for each tool of the directory that can be run, in order of their paths; `only` names tools to take.

    Tools without an api.py, and APIs without a function in it, are left out and counted in one event. Raises
    ConfigError when the directory holds no tool, when a file cannot be read, or when `only` names what is not there.
    """
    tools, without_code = _read(directory)
    # Names belong to the whole directory, so that they do not change with what is taken of it.
    names = model_names((tool.category, tool.name, api.name) for tool in tools for api in tool.apis)
    entries = {tool.code: [_entry(tool, api, names) for api in tool.apis] for tool in tools}
    every = [entry for of_tool in entries.values() for entry in of_tool]
    taken = {entry.name for entry in selected(every, only, str(directory))}
    sources = []
    for tool in tools:
        kept = [entry for entry in entries[tool.code] if entry.name in taken]
        functions = {names[tool.category, tool.name, api.name]: api.function for api in tool.apis}
        if kept:
            sources.append(ToolBenchSource(SandboxProcess(tool.code, limits, describe=False), functions, kept))
    event(
        _log,
        "toolbench_tools",
        directory=directory,
        tools=len(sources),
        apis=sum(len(source.entries) for source in sources),
        tools_without_code=without_code,
        apis_without_function=sum(len(tool.without_function) for tool in tools),
    )
    return sources


def _read(directory: Path) -> tuple[list[ToolBenchTool], int]:
    descriptions = sorted(directory.glob("*/*.json"))
    if not descriptions:
        raise ConfigError(f"{directory} holds no tools: there is no <category>/<tool>.json in it")
    read = [read_tool(description) for description in descriptions]
    tools = [tool for tool in read if tool is not None]
    if not any(tool.apis for tool in tools):
        raise ConfigError(
            f"none of the {len(descriptions)} tools in {directory} can be run: <category>/<tool>/api.py has to be "
            "there, with a function for each API"
        )
    return tools, len(read) - len(tools)


def _entry(tool: ToolBenchTool, api: Api, names: Mapping[ApiKey, str]) -> ToolEntry:
    name = names[tool.category, tool.name, api.name]
    definition = FunctionDefinition(name=name, description=api.description, parameters=api.parameters)
    return ToolEntry(Tool(function=definition), tool.category, tool.name, api.name)
