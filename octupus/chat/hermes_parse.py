"""Generated ids of the hermes dialect to deltas."""

from __future__ import annotations

from collections.abc import Callable

from octupus.chat.call_body import CallBody
from octupus.chat.dialect import CallDelta, ContentDelta, Delta, ReasoningDelta
from octupus.chat.sections import SectionParser
from octupus.chat.tokenizer import ChatTokenizer


class HermesParser(SectionParser):
    """Reads one assistant turn of the hermes dialect; see TurnParser and SectionParser.

    The arguments are ids of control tokens; `think` and `think_end` are None where the model has no thinking. Line
    breaks of the frame are no text: one on either side of the thinking, two behind it, one in front of a call. Those
    of the thinking may be missing, since nothing depends on them. A call that names no function is kept as content,
    its control tokens spelled.
    """

    def __init__(
        self, tokenizer: ChatTokenizer, call: int, call_end: int, think: int | None, think_end: int | None
    ) -> None:
        control: dict[int, Callable[[], list[Delta]]] = {call: self._open_call, call_end: self._close_call}
        if think is not None and think_end is not None:
            control |= {think: self._open_thinking, think_end: self._close_thinking}
        super().__init__(tokenizer, control)
        self._call, self._call_end, self._think_end = call, call_end, think_end
        self._body = CallBody()
        self._calls = 0
        self._written = False
        """Whether the content has text, a line break at its end aside."""
        self._held = ""
        """A line break that is of the frame if a control token follows, else of the text."""
        self._frame = 0
        """How many line breaks of the frame may still stand in front of the text."""

    def finish(self) -> list[Delta]:
        """See TurnParser.finish."""
        if self._section == "end":
            return []
        deltas = self._flush()
        if self._section == "start":
            self._break("the turn is empty")
        return deltas + self._end()

    def _end(self) -> list[Delta]:
        """What is held back when the turn ends, or something that cannot stand in this section begins."""
        if self._section == "call":
            self._break("the turn leaves a call open")
            return self._leave_call("")
        held, self._held = self._held, ""
        if self._section == "thinking":
            self._break("the turn leaves its thinking open")
            return [ReasoningDelta(held)] if held else []
        if held and self._section == "calls":
            self._break("text behind the calls")
        return [ContentDelta(held)] if held else []

    def _open_thinking(self) -> list[Delta]:
        deltas: list[Delta] = []
        if self._section != "start":
            self._break(f"thinking inside {self._section}")
            deltas = self._end()
        self._enter("thinking", self._read_thinking, frame=1)
        return deltas

    def _close_thinking(self) -> list[Delta]:
        if self._section != "thinking":
            return self._stray(self._think_end)
        self._enter("content", self._read_content, frame=2)
        return []

    def _open_call(self) -> list[Delta]:
        deltas: list[Delta] = []
        if self._section in ("thinking", "call"):
            self._break(f"a call inside {self._section}")
            deltas = self._end()
        elif not self._held and (self._written or self._section == "calls"):
            self._break(f"no line break between {self._section} and a call")
        self._enter("call", self._read_call)
        self._body = CallBody()
        return deltas

    def _close_call(self) -> list[Delta]:
        if self._section != "call":
            return self._stray(self._call_end)
        return self._leave_call(self._tokenizer.decode([self._call_end]))

    def _leave_call(self, closing: str) -> list[Delta]:
        self._body.finish()
        if self._body.problem:
            self._break(self._body.problem)
        self._enter("calls", self._read_content)
        if self._body.named:
            self._calls += 1
            return []
        return [ContentDelta(self._tokenizer.decode([self._call]) + self._body.unread + closing)]

    def _enter(self, section: str, read: Callable[[str], list[Delta]], frame: int = 0) -> None:
        self._section, self._read, self._frame, self._held = section, read, frame, ""

    def _stray(self, token_id: int | None) -> list[Delta]:
        """A closing token that closes nothing is text, like any control token that is of no use."""
        self._break(f"control token {token_id} inside {self._section}")
        return self._read(self._tokenizer.decode([token_id])) if token_id is not None else []

    def _read_thinking(self, text: str) -> list[Delta]:
        text = self._without_frame(text)
        return [ReasoningDelta(text)] if text else []

    def _read_content(self, text: str) -> list[Delta]:
        if text and self._section == "start":
            self._section = "content"
        text = self._without_frame(text)
        if not text:
            return []
        if self._section == "calls":
            self._break("text behind the calls")
        self._written = True
        return [ContentDelta(text)]

    def _read_call(self, text: str) -> list[Delta]:
        added = self._body.push(text)
        return [CallDelta(self._calls, *added)] if added else []

    def _without_frame(self, text: str) -> str:
        """`text` behind what was held back, without the frame's line breaks before it and one at its end, now held."""
        while self._frame and text.startswith("\n"):
            self._frame -= 1
            text = text[1:]
        if text:
            self._frame = 0
        text = self._held + text
        self._held = "\n" if text.endswith("\n") else ""
        return text.removesuffix("\n")
