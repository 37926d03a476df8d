"""Generated ids to deltas, and deltas to the finished message.

A message is always the fold of its deltas, so a streamed answer and a whole one cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from octupus.chat.dialect import CallDelta, ContentDelta, Delta
from octupus.chat.sections import SectionParser
from octupus.chat.tokenizer import ChatTokenizer
from octupus.conversation import FunctionCall, Message, ToolCall


class OctupusParser(SectionParser):
    """Reads one assistant turn of the octupus dialect; see TurnParser and SectionParser."""

    def __init__(self, tokenizer: ChatTokenizer, content: int, call: int, parameters: int) -> None:
        super().__init__(
            tokenizer, {content: self._open_content, call: self._open_name, parameters: self._open_arguments}
        )
        self._read = self._read_start
        self._name = ""
        self._index = -1

    def finish(self) -> list[Delta]:
        """See TurnParser.finish."""
        deltas = self._flush()
        if self._section in ("name", "arguments"):
            self._break(f"the turn stopped inside the {self._section} of a call")
        elif self._section == "start":
            self._break("the turn is empty")
        return deltas

    def _end(self) -> list[Delta]:
        if self._section == "name":
            self._break("a call without arguments")
        return []

    def _open_content(self) -> list[Delta]:
        if self._section != "start":
            self._break(f"content after {self._section}")
        self._section = "content"
        self._read = self._read_content
        return []

    def _open_name(self) -> list[Delta]:
        if self._section == "name":
            self._break("a call without arguments")
        self._section = "name"
        self._name = ""
        self._read = self._read_name
        return []

    def _open_arguments(self) -> list[Delta]:
        if self._section != "name":
            self._break(f"arguments after {self._section}")
        self._section = "arguments"
        self._index += 1
        self._read = self._announce
        return []

    def _read_start(self, text: str) -> list[Delta]:
        if text:
            self._break("text before the first control token")
        return self._read_content(text)

    def _read_name(self, text: str) -> list[Delta]:
        self._name += text
        return []

    def _announce(self, text: str) -> list[Delta]:
        """The first delta of a call carries its name, even when no argument text follows."""
        self._read = self._read_arguments
        return [CallDelta(self._index, self._name, text)]

    def _read_arguments(self, text: str) -> list[Delta]:
        return [CallDelta(self._index, None, text)] if text else []


def fold(deltas: Iterable[Delta], call_id: Callable[[int], str] = lambda index: f"call_{index}") -> Message:
    """The assistant message that `deltas` spell; `call_id` gives the id of the call at an index.

    Reasoning is no part of a message and is left out.
    """
    content: list[str] = []
    calls: list[tuple[str, list[str]]] = []
    for delta in deltas:
        if isinstance(delta, ContentDelta):
            content.append(delta.text)
        elif isinstance(delta, CallDelta):
            if delta.name is not None:
                calls.append((delta.name, []))
            calls[delta.index][1].append(delta.arguments)
    return Message(
        role="assistant",
        content="".join(content) or None,
        tool_calls=tuple(
            ToolCall(id=call_id(index), function=FunctionCall(name=name, arguments="".join(pieces)))
            for index, (name, pieces) in enumerate(calls)
        ),
    )
