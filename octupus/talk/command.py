"""`octupus chat`: a conversation with an endpoint in the terminal, with tools that run here."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai.types.chat import ChatCompletionChunk

from octupus.errors import ConfigError, OctupusError
from octupus.talk.endpoint import Endpoint
from octupus.talk.function_schema import FunctionTool
from octupus.talk.person import Person
from octupus.talk.python_tools import Result, error_result, load_python_tools, run_tool
from octupus.talk.rendering import Span, call_line, harmless
from octupus.talk.slash import SlashCommands, is_command
from octupus.talk.streamed_answer import Call
from octupus.talk.transcript import Transcript


@dataclass(frozen=True)
class ChatOptions:
    """What `octupus chat` is asked to do."""

    url: str = "http://127.0.0.1:8000/v1"
    model: str | None = None
    """None takes the first one that the endpoint serves."""
    tools: Path | None = None
    """JSON: a list of tools, as in a request; the person gives their results."""
    python_tools: Path | None = None
    """Python file whose public functions are tools that run here."""
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    once: str | None = None
    """One prompt, after whose answer the command ends."""
    yes: bool = False
    """Whether tools run without asking."""
    max_rounds: int = 8
    """Most requests for one prompt."""


def chat(options: ChatOptions) -> int:
    """Talk until the person leaves; 0. Raises ConfigError, and RequestError or EngineError where nobody can mend them.

    At a terminal an error is shown, and the conversation goes on.
    """
    local = {} if options.python_tools is None else load_python_tools(options.python_tools)
    tools = [*(_tools(options.tools) if options.tools is not None else ()), *(t.definition for t in local.values())]
    _refuse_twice([tool["function"]["name"] for tool in tools])
    if options.max_rounds < 1:
        raise ConfigError(f"--max-rounds {options.max_rounds}: must be at least 1")
    person = Person()
    if local and not options.yes and not person.at_terminal:
        raise ConfigError("standard input is no terminal, so nobody can be asked; let the tools run with --yes")
    endpoint = Endpoint(options.url, options.model)
    try:
        session = _Session(options, endpoint, person, local, tools)
        return session.once(options.once) if options.once is not None else session.until_left()
    finally:
        endpoint.close()


class _Session:
    """One run of the command."""

    def __init__(
        self,
        options: ChatOptions,
        endpoint: Endpoint,
        person: Person,
        local: dict[str, FunctionTool],
        tools: Sequence[dict[str, Any]],
    ) -> None:
        self._options, self._endpoint, self._person, self._local = options, endpoint, person, local
        self._transcript = Transcript(options.system)
        self._commands = SlashCommands(self._transcript, tools, frozenset(local), endpoint.model, person.show)
        self._fields = _fields(options, tools)
        self._ask_first = not options.yes

    def once(self, prompt: str) -> int:
        """One answer. The calls of tools that do not run here are only shown."""
        self._exchange(prompt)
        return 0

    def until_left(self) -> int:
        """One answer a line."""
        if self._person.at_terminal:
            self._person.show(Span(f"{harmless(self._endpoint.model)} at {self._endpoint.url}; /help, /quit\n", "dim"))
        while True:
            try:
                line = self._person.line("> ")
                if line is None or not self._take(line):
                    return 0
            except KeyboardInterrupt:
                if not self._person.at_terminal:
                    raise
                self._person.show(Span("\nstopped; the conversation is as before. /quit leaves\n", "yellow"))
            except OctupusError as error:
                if not self._person.at_terminal:
                    raise
                self._person.show(Span(f"{harmless(str(error))}\n", "red"))

    def _take(self, line: str) -> bool:
        if is_command(line):
            return self._commands.run(line)
        if line.strip():
            self._exchange(line)
        return True

    def _exchange(self, prompt: str) -> None:
        self._transcript.exchange(prompt, self._ask, self._result_of, self._person.show, self._options.max_rounds)

    def _ask(self, messages: Sequence[dict[str, Any]]) -> Generator[ChatCompletionChunk, None, None]:
        return self._endpoint.stream(messages, self._fields)

    def _result_of(self, call: Call) -> Result | None:
        tool = self._local.get(call.name)
        if tool is None:
            return self._typed_in(call)
        if self._ask_first:
            leave = self._person.allows(call_line(call))
            if leave == "no":
                return error_result("the user did not allow this call")
            self._ask_first = leave != "always"
        return run_tool(tool, call.arguments)

    def _typed_in(self, call: Call) -> Result | None:
        if self._options.once is not None:
            return None
        line = self._person.line(f"result of {harmless(call.name)}: ")
        return error_result("no result was given") if line is None else Result(line)


def _fields(options: ChatOptions, tools: Sequence[dict[str, Any]]) -> dict[str, Any]:
    asked = {"temperature": options.temperature, "max_tokens": options.max_tokens, "seed": options.seed}
    given = {name: value for name, value in asked.items() if value is not None}
    return given | ({"tools": list(tools)} if tools else {})


def _tools(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        raise ConfigError(f"{file} does not exist; give a JSON file with a list of tools")
    try:
        tools = json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(tools, list):
        raise ConfigError(f"{file} must hold a list of tools, as `tools` of a request")
    for position, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise ConfigError(f'{file}: tool {position} must be {{"type": "function", "function": {{"name": ...}}}}')
    return tools


def _refuse_twice(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"defined twice, in --tools and --python-tools: {', '.join(twice)}")
