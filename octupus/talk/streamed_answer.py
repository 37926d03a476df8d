"""The chunks of a streamed chat completion: as pieces to show, and folded into the assistant's message."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import ChoiceDelta, ChoiceDeltaToolCall

from octupus.chat.dialect import ContentDelta, ReasoningDelta

_REASONING_FIELDS = ("reasoning_content", "reasoning")
"""Not OpenAI's: octupus and DeepSeek write the first, newer versions of vLLM the second."""


@dataclass(frozen=True, slots=True)
class CallPiece:
    """More of one call; `name` is the whole name so far, `arguments` what is new of its arguments."""

    index: int
    name: str
    arguments: str


Piece: TypeAlias = ContentDelta | ReasoningDelta | CallPiece


@dataclass
class Call:
    """One call of an answer; the arguments are JSON text."""

    id: str = ""
    name: str = ""
    arguments: str = ""

    def to_openai(self) -> dict[str, Any]:
        """The call as it stands in a message."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


@dataclass
class StreamedAnswer:
    """Follows one answer; only the first choice is read."""

    content: str = ""
    finish_reason: str | None = None
    """Why it ended; None while it goes on, and for ever where the stream broke off."""
    _calls: dict[int, Call] = field(default_factory=dict)

    def push(self, chunk: ChatCompletionChunk) -> list[Piece]:
        """Take the next chunk; what it adds, in order."""
        pieces: list[Piece] = []
        for choice in chunk.choices:
            if choice.index == 0:
                self.finish_reason = choice.finish_reason or self.finish_reason
                pieces += self._delta(choice.delta)
        return pieces

    @property
    def calls(self) -> list[Call]:
        """The calls so far, in the order of their indices."""
        return [self._calls[index] for index in sorted(self._calls)]

    def message(self) -> dict[str, Any]:
        """The assistant's message, as it goes back with the next request."""
        if not self._calls:
            return {"role": "assistant", "content": self.content}
        calls = [call.to_openai() for call in self.calls]
        return {"role": "assistant", "content": self.content or None, "tool_calls": calls}

    def _delta(self, delta: ChoiceDelta) -> list[Piece]:
        pieces: list[Piece] = []
        extra = delta.model_extra or {}
        reasoning = next((extra[name] for name in _REASONING_FIELDS if extra.get(name)), None)
        if isinstance(reasoning, str):
            pieces.append(ReasoningDelta(reasoning))
        if delta.content:
            self.content += delta.content
            pieces.append(ContentDelta(delta.content))
        return pieces + [self._call(call) for call in delta.tool_calls or ()]

    def _call(self, delta: ChoiceDeltaToolCall) -> CallPiece:
        call = self._calls.setdefault(delta.index, Call(id=f"call_{delta.index}"))
        call.id = delta.id or call.id
        arguments = ""
        if delta.function is not None:
            call.name += delta.function.name or ""
            arguments = delta.function.arguments or ""
            call.arguments += arguments
        return CallPiece(delta.index, call.name, arguments)
