"""What the parsers of all dialects share: ids split at the control tokens, text decoded in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from octupus.chat.dialect import ContentDelta, Delta
from octupus.chat.tokenizer import ChatTokenizer


class SectionParser:
    """Base of a TurnParser. `control` says for each control token of the dialect what it opens or closes.

    Total: control tokens of no use to the dialect are kept as text where they stand, and the first break is named in
    `malformed`. A subclass sets `_section`, the name of what is being written, and `_read`, which takes its text.
    """

    def __init__(self, tokenizer: ChatTokenizer, control: Mapping[int, Callable[[], list[Delta]]]) -> None:
        self.malformed: str | None = None
        self._tokenizer = tokenizer
        self._control = dict(control)
        self._foreign = set(tokenizer.control_tokens.values()) - set(self._control) - {tokenizer.end_id}
        self._read: Callable[[str], list[Delta]] = self._read_content
        self._section = "start"
        self._stream = tokenizer.text_stream()

    def push(self, ids: Sequence[int]) -> list[Delta]:
        """See TurnParser.push."""
        deltas: list[Delta] = []
        for token_id in ids:
            if self._section == "end":
                self._break("tokens after the end")
            elif token_id == self._tokenizer.end_id:
                deltas += self._flush() + self._end()
                self._section = "end"
            elif token_id in self._control:
                deltas += self._flush() + self._control[token_id]()
            else:
                if token_id in self._foreign:
                    self._break(f"control token {token_id} inside {self._section}")
                deltas += self._read(self._stream.push(token_id))
        return deltas

    def _flush(self) -> list[Delta]:
        """Read what the section's text stream still holds."""
        rest, self._stream = self._stream.finish(), self._tokenizer.text_stream()
        return self._read(rest)

    def _end(self) -> list[Delta]:
        """What the section still holds back when the end token comes."""
        return []

    def _read_content(self, text: str) -> list[Delta]:
        return [ContentDelta(text)] if text else []

    def _break(self, explanation: str) -> None:
        self.malformed = self.malformed or explanation
