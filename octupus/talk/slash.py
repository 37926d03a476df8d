"""The commands inside a chat: /tools, /system, /reset, /save, /quit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octupus.errors import ConfigError, OutputError
from octupus.talk.rendering import Span, harmless
from octupus.talk.transcript import Transcript
from octupus.telemetry import write_json

HELP = """\
/tools         the tools the model may call
/system TEXT   set the system message; without TEXT, show it
/reset         forget the conversation
/save FILE     write it as the body of a request, for `octupus explain FILE`
/quit          leave (also Ctrl-D)
Ctrl-C stops an answer.
"""
_COMMAND = re.compile(r"/(\w+)(?:\s+(.*))?", re.DOTALL)


@dataclass
class SlashCommands:
    """Acts on lines that begin with a slash and a word."""

    transcript: Transcript
    tools: Sequence[dict[str, Any]]
    local: frozenset[str]
    """Names of the tools that run here."""
    model: str
    show: Callable[[Span], None]

    def run(self, line: str) -> bool:
        """Run the command that `line` is; False when the chat is to end. Raises ConfigError for an unknown one."""
        found = _COMMAND.fullmatch(line.strip())
        word, rest = (found[1], (found[2] or "").strip()) if found else (line.strip(), "")
        match word:
            case "quit" | "exit":
                return False
            case "tools":
                self._tools()
            case "system":
                self._system(rest)
            case "reset":
                self.transcript.reset()
                self.show(Span("forgotten\n", "dim"))
            case "save":
                self._save(rest)
            case "help":
                self.show(Span(HELP, "dim"))
            case _:
                raise ConfigError(f"/{word.removeprefix('/')} is no command; /help lists them")
        return True

    def _tools(self) -> None:
        if not self.tools:
            self.show(Span("no tools; name some with --tools or --python-tools\n", "dim"))
        for tool in self.tools:
            function = tool["function"]
            parameters = ", ".join((function.get("parameters") or {}).get("properties") or {})
            where = "" if function["name"] in self.local else "  [its result is typed in]"
            self.show(Span(harmless(f"{function['name']}({parameters})"), "cyan"))
            self.show(Span(f"  {harmless(function.get('description') or '')}{where}\n", "dim"))

    def _system(self, text: str) -> None:
        if text:
            self.transcript.system = text
        self.show(Span(f"system: {self.transcript.system or '(none)'}\n", "dim"))

    def _save(self, name: str) -> None:
        if not name:
            raise ConfigError("/save needs a file name")
        file = Path(name).expanduser()
        if file.exists():
            raise ConfigError(f"{file} exists; name another file")
        body: dict[str, Any] = {"model": self.model, "messages": self.transcript.to_send()}
        if self.tools:
            body["tools"] = list(self.tools)
        try:
            write_json(file, body)
        except OSError as error:
            raise OutputError(f"{file} cannot be written: {error.strerror}") from error
        self.show(Span(f"saved to {file}\n", "dim"))


def is_command(line: str) -> bool:
    """Whether a line is a command and no prompt: a slash at its very beginning."""
    return line.startswith("/")
