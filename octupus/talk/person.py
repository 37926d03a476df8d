"""The person at the terminal, or the pipe in their place: lines in, styled text out, leave to run a tool."""

from __future__ import annotations

import sys
from typing import Literal

from rich.console import Console
from rich.text import Text

from octupus.talk.rendering import Span


class Person:
    """Standard input and output. Where input is no terminal nothing is asked: each line is taken as it comes."""

    def __init__(self) -> None:
        self.at_terminal = sys.stdin.isatty()
        self._console = Console(highlight=False, markup=False, emoji=False)
        if self.at_terminal:
            _with_history()

    def show(self, span: Span) -> None:
        """Print text at once, without a line break of its own."""
        # Text, since square brackets in a plain string would be read as markup.
        self._console.print(Text(span.text, span.style), end="", soft_wrap=True)
        self._console.file.flush()

    def line(self, prompt: str) -> str | None:
        """The next line without its line break; None at the end of the input."""
        if not self.at_terminal:
            line = sys.stdin.readline()
            return line.removesuffix("\n") if line else None
        try:
            return input(prompt)
        except EOFError:
            self.show(Span("\n"))
            return None

    def allows(self, call: str) -> Literal["yes", "no", "always"]:
        """Ask whether a call may run; the end of the input means no."""
        while True:
            line = self.line(f"run {call}? [Y]es, [n]o, [a]lways ")
            match None if line is None else line.strip().lower():
                case "" | "y" | "yes":
                    return "yes"
                case "a" | "always":
                    return "always"
                case None | "n" | "no":
                    return "no"


def _with_history() -> None:
    """Line editing and history for `input`, where Python was built with it."""
    try:
        import readline  # noqa: F401
    except ImportError:
        return
