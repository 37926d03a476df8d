"""Generated ids to deltas, and deltas to the finished message.

A message is always the fold of its deltas, so a streamed answer and a whole one cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from octupus.chat.dialect import CallDelta, ContentDelta, Delta
from octupus.chat.tokenizer import ChatTokenizer, TextStream
from octupus.conversation import FunctionCall, Message, ToolCall


class OctupusParser:
    """Reads one assistant turn of the octupus dialect; see TurnParser.

    Total: ids that break the dialect are kept as text where they stand and the first break is named in `malformed`.
    """

    def __init__(self, tokenizer: ChatTokenizer, content: int, call: int, parameters: int) -> None:
        self.malformed: str | None = None
        self._tokenizer = tokenizer
        self._control = {content: self._open_content, call: self._open_name, parameters: self._open_arguments}
        self._foreign = set(tokenizer.special_tokens.values()) - set(self._control) - {tokenizer.end_id}
        self._read: Callable[[str], list[Delta]] = self._read_content
        self._section = "start"
        self._stream = tokenizer.text_stream()
        self._name = ""
        self._index = -1

    def push(self, ids: Sequence[int]) -> list[Delta]:
        """See TurnParser.push."""
        deltas: list[Delta] = []
        for token_id in ids:
            if self._section == "end":
                self._break("tokens after the end")
            elif token_id == self._tokenizer.end_id:
                deltas += self._close()
                self._section = "end"
            elif token_id in self._control:
                deltas += self._close()
                self._control[token_id]()
            else:
                if token_id in self._foreign:
                    self._break(f"control token {token_id} inside {self._section}")
                elif self._section == "start":
                    self._break("text before the first control token")
                deltas += self._read(self._stream.push(token_id))
        return deltas

    def finish(self) -> list[Delta]:
        """See TurnParser.finish."""
        deltas = self._close()
        if self._section in ("name", "arguments"):
            self._break(f"the turn stopped inside the {self._section} of a call")
        elif self._section == "start":
            self._break("the turn is empty")
        return deltas

    def _close(self) -> list[Delta]:
        rest: TextStream = self._stream
        self._stream = self._tokenizer.text_stream()
        return self._read(rest.finish())

    def _open_content(self) -> None:
        if self._section != "start":
            self._break(f"content after {self._section}")
        self._section = "content"
        self._read = self._read_content

    def _open_name(self) -> None:
        if self._section == "name":
            self._break("a call without arguments")
        self._section = "name"
        self._name = ""
        self._read = self._read_name

    def _open_arguments(self) -> None:
        if self._section != "name":
            self._break(f"arguments after {self._section}")
        self._section = "arguments"
        self._index += 1
        self._read = self._announce

    def _read_content(self, text: str) -> list[Delta]:
        return [ContentDelta(text)] if text else []

    def _read_name(self, text: str) -> list[Delta]:
        self._name += text
        return []

    def _announce(self, text: str) -> list[Delta]:
        """The first delta of a call carries its name, even when no argument text follows."""
        self._read = self._read_arguments
        return [CallDelta(self._index, self._name, text)]

    def _read_arguments(self, text: str) -> list[Delta]:
        return [CallDelta(self._index, None, text)] if text else []

    def _break(self, explanation: str) -> None:
        self.malformed = self.malformed or explanation


def fold(deltas: Iterable[Delta], call_id: Callable[[int], str] = lambda index: f"call_{index}") -> Message:
    """The assistant message that `deltas` spell; `call_id` gives the id of the call at an index."""
    content: list[str] = []
    calls: list[tuple[str, list[str]]] = []
    for delta in deltas:
        if isinstance(delta, ContentDelta):
            content.append(delta.text)
        else:
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
